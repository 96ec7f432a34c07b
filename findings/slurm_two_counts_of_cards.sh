#!/bin/bash
# Surprise: a job that says how many cards it wants in two ways isn't refused. `--gres=gpu:1,gpu:1` is one card; of `--gpus-per-node=1` and `--gres=gpu:2` the
# latter counts, in either order; `--gres=gpu:1 --gpus=2` waits for ever on a node with two idle cards, for the reason `PartitionNodeLimit`, which speaks of
# a partition without any limit.
# Guess: what contradicts itself is refused by sbatch, or the last option counts, as it does for one that is given twice; cards of a list are added up.
# So: whoever names cards by `gres` must not name them again by `--gpus` among further options.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

sed -i 's/RealMemory=2000/RealMemory=2000 Gres=gpu:2/' "$SLURM_CONF"
echo GresTypes=gpu >> "$SLURM_CONF"
for card in 0 1; do mknod "$folder/card$card" c 240 "$card"; done
printf 'NodeName=n1 Name=gpu File=%s/card[0-1]\n' "$folder" > "$folder/gres.conf"
one_node

# The cards that a job with these options gets, or what it waits for.
cards() {
  local job tries=0
  job=$(sbatch --parsable --mem=100 --output="$folder/out-%j" "$@" --wrap 'echo "cards $CUDA_VISIBLE_DEVICES"; sleep 60')
  until [ -s "$folder/out-$job" ] || [ "$tries" -ge 40 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  echo "$*: $(cat "$folder/out-$job" 2> /dev/null || squeue -h -j "$job" -o '%T %r')"
  scancel "$job"
  until [ -z "$(squeue -h)" ]; do sleep 0.1; done
}

{
  cards --gres=gpu:1,gpu:1
  cards --gres=gpu:1 --gres=gpu:2
  cards --gpus-per-node=1 --gres=gpu:2
  cards --gres=gpu:2 --gpus-per-node=1
  cards --gres=gpu:1 --gpus=2
  cards --gres=gpu:2 --gpus=2
} | tee "$folder/seen"
grep -q '^--gres=gpu:1,gpu:1: cards 0$' "$folder/seen"
grep -q '^--gres=gpu:1 --gres=gpu:2: cards 0,1$' "$folder/seen"
grep -q '^--gpus-per-node=1 --gres=gpu:2: cards 0,1$' "$folder/seen"
grep -q '^--gres=gpu:2 --gpus-per-node=1: cards 0,1$' "$folder/seen"
grep -q '^--gres=gpu:1 --gpus=2: PENDING PartitionNodeLimit$' "$folder/seen"
grep -q '^--gres=gpu:2 --gpus=2: cards 0,1$' "$folder/seen"
