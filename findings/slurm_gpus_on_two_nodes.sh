#!/bin/bash
# Surprise: `sbatch --gpus=2` of one task, on a cluster of nodes with one card each, starts at once as a job of two nodes with a card on each. The script, and
# the server in it, runs on the first node only and sees one card; the other node's card belongs to the job and does nothing. `--gres=gpu:2` is refused.
# Guess: one task is one node: a job that wants two cards waits for a node that has two, or is refused.
# So: cards for one server are asked for by `--gres`, which counts for each node, or by `--gpus` and `--nodes=1` together.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

sed -i -e 's/^NodeName=.*/NodeName=n[1-2] NodeHostname=trial NodeAddr=127.0.0.1 Port=[7101-7102] CPUs=8 RealMemory=2000 Gres=gpu:1 State=UNKNOWN/' \
  -e 's/Nodes=n1 /Nodes=n[1-2] /' -e "s#^SlurmdPidFile=.*#SlurmdPidFile=$folder/slurmd.%n.pid#" -e "s#^SlurmdSpoolDir=.*#SlurmdSpoolDir=$folder/spool/%n#" \
  -e "s#^SlurmdLogFile=.*#SlurmdLogFile=$folder/log/slurmd.%n.log#" "$SLURM_CONF"
echo GresTypes=gpu >> "$SLURM_CONF"
mkdir "$folder"/spool/n1 "$folder"/spool/n2
for card in 0 1; do mknod "$folder/card$card" c 240 "$card"; done
printf 'NodeName=n1 Name=gpu File=%s/card0\nNodeName=n2 Name=gpu File=%s/card1\n' "$folder" "$folder" > "$folder/gres.conf"
one_node
slurmd -N n2 < /dev/null > /dev/null 2>&1
until [ "$(sinfo -h -t idle -o %D)" = 2 ]; do sleep 0.1; done

job=$(sbatch --parsable --gpus=2 --mem=100 --output="$folder/out" --wrap 'echo "$SLURM_JOB_NUM_NODES nodes, $SLURM_GPUS_ON_NODE card here"; sleep 60')
until [ -s "$folder/out" ]; do sleep 0.2; done
seen="$(cat "$folder/out"); cards that are taken:"
for node in n1 n2; do seen+=" $(scontrol -d show node "$node" | grep -o 'GresUsed=gpu:.')"; done
echo "--gpus=2: $seen"
scancel "$job"
refused=0
for options in --gres=gpu:2 '--gpus=2 --nodes=1'; do
  # shellcheck disable=SC2086
  sbatch $options --mem=100 --output=/dev/null --wrap true 2>&1 || refused=$((refused + 1))
done
[ "$seen" = "2 nodes, 1 card here; cards that are taken: GresUsed=gpu:1 GresUsed=gpu:1" ] && [ "$refused" = 2 ]
