#!/bin/bash
# Surprise: a job that was given no time limit has one as soon as it starts: UNLIMITED while it waits, then 365 days, with an end that is written down.
# With `--time=UNLIMITED`, which looks the same while it waits, it stays without, and its end is NONE. The job behind either of them is
# told to start in a year.
# Guess: what is shown as unlimited stays so.
# So: a time left of some hundred days means none; a server that is to run for ever says so.
# Seen with: Slurm 22.05.8 (Debian 12), partition without MaxTime, 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
seen=
for limit in "" --time=UNLIMITED; do
  # shellcheck disable=SC2086
  first=$(sbatch --parsable --output=/dev/null --hold $limit job)
  waits=$(squeue -h -j "$first" -o '%T %l')
  scontrol release "$first"
  until [ "$(squeue -h -j "$first" -o %T)" = RUNNING ]; do sleep 0.2; done
  runs=$(squeue -h -j "$first" -o '%T %l') end=$(squeue -h -j "$first" -o %e)
  [ "$end" = NONE ] || end="in $((($(date -d "$end" +%s) - $(date +%s) + 3600) / 86400)) days"
  behind=$(sbatch --parsable --output=/dev/null job)
  until [ "$(squeue -h -j "$behind" -o %S)" != N/A ]; do sleep 0.2; done
  start=$((($(date -d "$(squeue -h -j "$behind" -o %S)" +%s) - $(date +%s) + 3600) / 86400))
  echo "sbatch $limit: $waits, then $runs, its end $end; the job behind it is told to start in $start days"
  seen+="$waits, $runs, $end, $start; "
  scancel "$first" "$behind"
  until [ -z "$(squeue -h)" ]; do sleep 0.2; done
done
[ "$seen" = "PENDING UNLIMITED, RUNNING 365-00:00:00, in 365 days, 365; PENDING UNLIMITED, RUNNING UNLIMITED, NONE, 365; " ]
