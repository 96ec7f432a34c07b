#!/bin/bash
# Surprise: a job that asked for two cards and holds an a100 and a v100 has neither for its own steps: `srun --gres=gpu:v100:1` in it ends at once with "Step
# requested GRES (gpu:v100) not found in the job". `scontrol show job -d` says which kinds it holds. A job that asked for both by their kinds may name them; and a step
# that names no kind gets the first card, whatever it is.
# Guess: a step may name what its job holds, however the job came by it.
# So: a script that starts two servers by `srun`, each on a card of its kind, has to be submitted with the kinds.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

sed -i 's/RealMemory=2000/RealMemory=2000 Gres=gpu:a100:1,gpu:v100:1/' "$SLURM_CONF"
echo GresTypes=gpu >> "$SLURM_CONF"
for card in 0 1; do mknod "$folder/card$card" c 240 "$card"; done
printf 'NodeName=n1 Name=gpu Type=a100 File=%s/card0\nNodeName=n1 Name=gpu Type=v100 File=%s/card1\n' "$folder" "$folder" > "$folder/gres.conf"
one_node

# What a job with these cards holds, and what its steps get.
steps() {
  local job
  job=$(sbatch --parsable --mem=100 --gres="$1" --output="$folder/out" --wrap '
    echo "holds: $(scontrol -d show job $SLURM_JOB_ID | grep -o "GRES=.*")"
    for card in gpu:1 gpu:v100:1; do echo "step $card: $(srun --gres=$card sh -c "echo card \$CUDA_VISIBLE_DEVICES" 2>&1 | head -n 1)"; done
    echo end')
  until grep -q '^end' "$folder/out" 2> /dev/null; do sleep 0.1; done
  sed "s/^/$1: /" "$folder/out"
  rm "$folder/out"
  until [ -z "$(squeue -h)" ]; do sleep 0.1; done
}

{
  steps gpu:2
  steps gpu:a100:1,gpu:v100:1
} | tee "$folder/seen"
grep -Eq '^gpu:2: holds: .*v100' "$folder/seen"
grep -q '^gpu:2: step gpu:1: card 0$' "$folder/seen"
grep -q '^gpu:2: step gpu:v100:1: .*not found in the job' "$folder/seen"
grep -q '^gpu:a100:1,gpu:v100:1: step gpu:v100:1: card 1$' "$folder/seen"
