#!/bin/bash
# Surprise: a job that no node can ever run is taken when it wants too many CPUs (-c 99, -n 99, -N 2): it waits for ever, with the
# reason PartitionConfig, while too much memory, an unknown card or an unknown feature is refused at once. While it waits, `sbatch --test-only`
# says of a job that would start this minute that it starts in a thousand years, with exit code 0.
# Guess: all are refused alike; a job that never starts is nothing that others wait for.
# So: what submits for others reads this reason as "never", as LLM-Manager does, and doesn't ask `--test-only` when something starts.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
right=yes
refused() { if sbatch --parsable "$@" job > /dev/null 2> words; then right=no; fi; echo "$*: $(tail -n 1 words)"; }
refused --mem=99999
refused --gres=gpu:1
refused --constraint=fast
year() { sbatch --test-only job 2>&1 | grep -oE 'start at [0-9]+' | grep -oE '[0-9]+'; }
now=$(year)
for options in "-c 99" "-n 99" "-N 2"; do
  # shellcheck disable=SC2086
  id=$(sbatch --parsable $options job)
  until squeue -h -j "$id" -o %r | grep -q Partition; do sleep 0.2; done
  echo "$options: $(squeue -h -j "$id" -o '%T, %r')"
done
later=$(year)
runs=$(sbatch --parsable job)
until [ "$(squeue -h -j "$runs" -o %T)" = RUNNING ]; do sleep 0.2; done
echo "another job is said to start in the year $now, then $later; it is $(squeue -h -j "$runs" -o %T)"
if [ "$right" = yes ] && [ "$now" -lt 2100 ] && [ "$later" -gt 2900 ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
