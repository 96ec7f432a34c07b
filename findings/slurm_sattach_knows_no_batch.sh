#!/bin/bash
# Surprise: `sattach JOB.batch`, for what a batch job prints, says "authentication error: No error" and exits with 0; of a job without a step 0,
# `sattach JOB.0` says that the job is invalid, while it runs. Only steps that an `srun` has begun can be attached to.
# Guess: it shows what the script prints, as `tail -f` of its file would.
# So: where the nodes share no disk, output comes back through a step of its own (`srun --overlap ... tail`), as LLM-Manager's `node_folder` has it.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
printf '#!/bin/sh\nwhile :; do echo tick; sleep 0.2; done\n' > ticks
chmod 755 ticks
id=$(sbatch --parsable --output="$folder/said" ticks)
until grep -qs tick said; do sleep 0.1; done
tries() { local code=0; timeout 5 "$@" > out 2> err < /dev/null || code=$?; echo "$code"; }
batch=$(tries sattach "$id.batch")
words=$(grep -o 'authentication error: No error' err || :)
printed=$(wc -c < out)
none=$(tries sattach "$id.0")
invalid=$(grep -o 'Invalid job id specified' err || :)
step=$(timeout 5 srun --jobid="$id" --overlap --ntasks=1 --quiet tail -n 1 said < /dev/null)
echo "sattach $id.batch: exit code $batch, $printed bytes, \"$words\"; $id.0: exit code $none, \"$invalid\"; a step of its own reads: $step"
if [ "$batch" = 0 ] && [ "$printed" = 0 ] && [ -n "$words" ] && [ "$none" = 1 ] && [ -n "$invalid" ] && [ "$step" = tick ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
