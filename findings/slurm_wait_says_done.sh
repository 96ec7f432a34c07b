#!/bin/bash
# Surprise: `sbatch --wait` exits with 0 for a job that never ran, because it was cancelled while it waited, also one whose dependency could never be met.
# Cancelled while it runs it is 1, as after a signal; a script's own code comes through.
# Guess: not 0, as nothing of the job was done.
# So: a pipeline that goes on after `sbatch --wait` looks at what the job made, or at its state (`scontrol show job`).
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
seen=
tell() {
  local what=$1 code=0
  shift
  sbatch --quiet --parsable --output=/dev/null --wait "$@" > "$folder/number" && code=0 || code=$?
  echo "$what: sbatch --wait exits with $code"
  seen+="$code "
}
cancel_when() {
  until [ "$(squeue -h --name="$1" -o %T)" = "$2" ]; do sleep 0.1; done
  scancel --name="$1"
}
printf '#!/bin/sh\nexit 7\n' > seven
tell "a script that ends with 7" seven
cancel_when runs RUNNING & tell "cancelled while it runs" --job-name=runs job
cancel_when waits PENDING & tell "cancelled while it waits" --job-name=waits --hold job
failed=$(sbatch --parsable --output=/dev/null seven)
until [ "$(squeue -h -t all -j "$failed" -o %T)" = FAILED ]; do sleep 0.1; done
cancel_when depends PENDING & tell "its dependency failed, cancelled" --job-name=depends --dependency="afterok:$failed" job
[ "$seen" = "7 1 0 0 " ]
