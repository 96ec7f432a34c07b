#!/bin/bash
# Surprise: `squeue --json` takes `-j`, `--name`, `--user` and `--states` and looks at none of them: all jobs come, those that ended too, and
# the exit code is 0 for a job that doesn't exist, where the same call without `--json` says "Invalid job id specified".
# Guess: the same jobs in another form.
# So: pick the job by its number in what comes, or ask by `-o`; who takes the first of the list reads a stranger's state.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

echo "DefMemPerNode=100" >> "$SLURM_CONF"
one_node
printf '#!/bin/sh\nexit 0\n' > short
chmod 755 short
ended=$(sbatch --parsable --output=/dev/null --job-name=other short)
runs=$(sbatch --parsable --output=/dev/null --job-name=mine job)
until [ "$(squeue -h --states=all -o '%T' | sort | tr '\n' ' ')" = "COMPLETED RUNNING " ]; do sleep 0.2; done
jobs() { squeue --json "$@" | python3 -c 'import json, sys; print(*sorted(job["job_id"] for job in json.load(sys.stdin)["jobs"]))'; }
code=0
squeue -h -j 999999 > /dev/null 2>&1 || code=$?
right=$([ "$code" = 1 ] && echo yes || echo no)
echo "squeue -j 999999: exit code $code"
for options in "-j $runs" "--name=mine" "--user=nobody" "--states=PENDING" "-j 999999"; do
  # shellcheck disable=SC2086
  plain=$(squeue -h $options -o %i 2> /dev/null || :) found=$(jobs $options)
  echo "squeue $options: '$plain'; with --json: '$found'"
  [ "$found" = "$ended $runs" ] || right=no
done
[ "$right" = yes ]
