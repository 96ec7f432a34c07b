#!/bin/bash
# Surprise: `squeue -j` of a job that ended a moment ago prints nothing, exit code 0; of one that is unknown it fails, with 1; of a list in
# which one is known, it leaves the unknown ones out, with 0. When the record of a job is dropped (MinJobAge), the answer to the same question turns from
# 0 to 1, and with it that of a list whose last job it was. An unknown user is a line on standard error and 0, an unknown partition or name not even that.
# Guess: an unknown job is an error wherever it stands, or nowhere.
# So: "not in the list" and "Invalid job id" both mean gone; what isn't answered at all is told from them by its own words.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

printf 'MinJobAge=2\nDefMemPerNode=100\n' >> "$SLURM_CONF"
one_node
printf '#!/bin/sh\nexit 0\n' > short
runs=$(sbatch --parsable --output=/dev/null job)
ends=$(sbatch --parsable --output=/dev/null short)
seen=""
look() { # what is looked at, and the options
  local code=0 words
  words=$(squeue -h -o %i "${@:2}" 2> errors) || code=$?
  echo "$1: '$words', '$(head -n 1 errors)', exit code $code"
  seen="$seen$code" last=$words
}
until [ -z "$(squeue -h -j "$ends" -o %i)" ]; do sleep 0.1; done
look "ended a moment ago" -j "$ends"
look "unknown" -j 999999
look "one that runs and an unknown one" -j "$runs,999999"
listed=$last
look "an unknown user" -u nobody-of-this-name
look "an unknown partition" -p nothing
look "an unknown name" --name=nothing
until ! squeue -h -j "$ends" > /dev/null 2>&1; do sleep 0.5; done
look "ended, and dropped" -j "$ends"
if [ "$seen" = 0100001 ] && [ "$listed" = "$runs" ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
