#!/bin/bash
# Surprise: of two servers that a job of two tasks starts by `srun -n1 server &`, the second doesn't start before the first has ended: a step takes all memory
# of the job, whether the job named an amount or not, and `--exact` alone, or the amount per CPU, doesn't change that. The first says nothing; the second's
# only word is "step creation temporarily disabled" on standard error. With `--mem` of each step, or with `--overlap`, both run.
# Guess: a step of one task takes its share of the job, a CPU and half of the memory.
# So: a script with a server and something beside it (a proxy, a second model) starts neither by `srun`, or each with `--exact --mem=...`.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
cat > "$folder/two" << 'JOB'
#!/bin/bash
for server in a b; do
  # shellcheck disable=SC2086
  srun -n1 $STEP sh -c 'date +%s; sleep 6' 2>> "$FOLDER/words" &
done
wait
JOB

# Job's options, step's options: whether the second step began while the first ran.
both() {
  local began job
  : > "$folder/words"
  # shellcheck disable=SC2086
  job=$(STEP=$2 FOLDER=$folder sbatch --parsable --ntasks=2 $1 --output="$folder/out" "$folder/two")
  until [ -z "$(squeue -h -j "$job")" ]; do sleep 0.5; done
  began=$(sort -n "$folder/out" | tr '\n' ' ')
  # shellcheck disable=SC2086
  set -- "$1" "$2" $began
  [ $(($4 - $3)) -lt 5 ] && echo "job '$1', steps '$2': both" || echo "job '$1', steps '$2': one after the other; $(grep -c disabled "$folder/words") complaint"
}

{
  both --mem=500 ''
  both --mem-per-cpu=200 ''
  both --mem=500 --exact
  both --mem=500 '--exact --mem=200'
  both --mem=500 --overlap
} | tee "$folder/seen"
[ "$(grep -c 'one after the other; 1 complaint' "$folder/seen")" = 3 ] && [ "$(tail -n 2 "$folder/seen" | grep -c ': both')" = 2 ]
