#!/bin/bash
# Surprise: with CommunicationParameters=NoInAddrAny slurmd listens on the address of the host's own name, not on the NodeAddr
# that slurm.conf gives it. The node registers and is idle; a job on it is RUNNING for seconds, prints nothing, is requeued,
# and then the node is down.
# Guess: a daemon whose address is in its configuration listens there; or a node that can't be reached isn't idle.
# So: RUNNING says nothing about a script; only its own report does. For a test cluster, give each slurmd a name of its own
# (unshare --uts, and its own /etc/hosts).
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

sed -i 's/NodeAddr=127.0.0.1/NodeAddr=127.0.0.2/' "$SLURM_CONF"
one_node
listens=$(ss -Hltnp | grep slurmd | awk '{ print $4 }')
echo "NodeAddr=$(scontrol show node n1 | grep -o 'NodeAddr=[^ ]*' | cut -d= -f2), slurmd listens on $listens, the node is $(sinfo -h -o %T)"
sbatch --output="$folder/out" job > /dev/null
for _ in $(seq 50); do
  [ "$(squeue -h -o %T)" = RUNNING ] && break
  sleep 0.1
done
sleep 3
state=$(squeue -h -o %T)
wrote=$([ -e "$folder/out" ] && echo "it has written its output" || echo "its script was never started")
echo "3 s later the job is $state, and $wrote"
[ "$state" = RUNNING ] && [ ! -e "$folder/out" ] && [[ $listens = 127.0.0.1:* ]]
