#!/bin/bash
# Surprise: a card that is shared by shards is given whole to a job that asks for a GPU, beside the job that has a shard of it, though another card is idle:
# both have the same CUDA_VISIBLE_DEVICES. Even a card whose four shards are all taken is given once more. The other way round it is kept: a shard of
# a card that somebody has whole isn't given. `GresUsed` of the node says 1 shard, whatever was taken. Five shards where a card has four are accepted, and wait for ever.
# Guess: a card is whole or shared, never both at once, as Slurm's own page on GRES says; a job for a whole card gets the idle one.
# So: a model that wants its card to itself has no place on nodes with shards; give these a partition of their own, in which nobody asks for `gpu`.
# Seen with: Slurm 22.05.8 (Debian 12), two cards with four shards each, 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

sed -i 's/RealMemory=2000/RealMemory=2000 Gres=gpu:2,shard:8/' "$SLURM_CONF"
echo GresTypes=gpu,shard >> "$SLURM_CONF"
for card in 0 1; do mknod "$folder/card$card" c 240 "$card"; done
printf 'NodeName=n1 Name=gpu File=%s/card[0-1]\nNodeName=n1 Name=shard Count=8\n' "$folder" > "$folder/gres.conf"
one_node

# Prints the card that each of the jobs gets, one after another while the ones before run; "waits" for none within 5 s.
cards() {
  local gres job cards=""
  for gres in "$@"; do
    job=$(sbatch --parsable --mem=100 --gres="$gres" --output="$folder/out-%j" --wrap 'echo "card $CUDA_VISIBLE_DEVICES"; sleep 60')
    for _ in {1..25}; do
      [ ! -s "$folder/out-$job" ] || break
      sleep 0.2
    done
    cards+="$gres: $( (cat "$folder/out-$job" 2> /dev/null || echo waits) | head -n 1); "
  done
  cards+="$(scontrol -d show node n1 | grep -o 'GresUsed=.*' | cut -d '(' -f 1,2)"
  scancel --user=root
  until [ -z "$(squeue -h)" ]; do sleep 0.1; done
  echo "$cards"
}

{
  cards shard:1 gpu:1
  cards shard:4 gpu:1
  cards shard:1 shard:1 shard:1
  cards gpu:2 shard:1
  cards shard:5
} | tee "$folder/seen"
grep -q '^shard:1: card 0; gpu:1: card 0; ' "$folder/seen"
grep -q '^shard:4: card 0; gpu:1: card 0; ' "$folder/seen"
grep -q '^shard:1: card 0; shard:1: card 0; shard:1: card 0; GresUsed=gpu:0,shard:(null):1' "$folder/seen"
grep -q '^gpu:2: card 0,1; shard:1: waits; ' "$folder/seen"
grep -q '^shard:5: waits; ' "$folder/seen"
