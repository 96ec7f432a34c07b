#!/bin/bash
# Surprise: `sbatch --time=0` is a job without a limit, and `scontrol update TimeLimit=0` on it one that has none left: it ends as TIMEOUT within half a
# minute. Without a limit it becomes by `TimeLimit=UNLIMITED` only.
# Guess: 0 means the same in both places.
# So: what hands a number of minutes on to both spells out UNLIMITED.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

printf 'OverTimeLimit=0\n' >> "$SLURM_CONF"
one_node
job=$(sbatch --parsable --time=0 --output=/dev/null --wrap 'sleep 600')
until [ "$(squeue -h -j "$job" -o %T)" = RUNNING ]; do sleep 0.2; done
seen="$(squeue -h -j "$job" -o %l)"
scontrol update "JobId=$job" TimeLimit=0
seen+=" $(squeue -h -j "$job" -o %l)"
began=$SECONDS
until [ "$(squeue -h -t all -j "$job" -o %T)" != RUNNING ] || [ $((SECONDS - began)) -gt 100 ]; do sleep 1; done
until [ "$(squeue -h -t all -j "$job" -o %T)" != COMPLETING ]; do sleep 1; done
seen+=" $(squeue -h -t all -j "$job" -o %T)"
echo "limit by sbatch --time=0, by TimeLimit=0, and what became of it after $((SECONDS - began)) s: $seen"
[ "$seen" = "UNLIMITED 0:00 TIMEOUT" ]
