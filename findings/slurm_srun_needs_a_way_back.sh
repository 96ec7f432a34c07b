#!/bin/bash
# Surprise: where a firewall drops what comes from the nodes, `srun` waits without a word: after a minute it has said nothing, its command hasn't
# begun, and the job runs on. `squeue`, `sbatch` and `scontrol` work, since they only call.
# Guess: the command runs and only its output is missing, or `srun` says soon that no node answers.
# So: nodes need a way to the ports of `SrunPortRange` on whatever machine calls `srun`; whoever calls it from a program has a limit of its own.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

command -v iptables > /dev/null || { echo "there is no iptables: nothing was tried"; exit 2; }
sed -i 's/^ReturnToService.*/&\nSrunPortRange=61000-61010/' "$SLURM_CONF"
one_node
printf '#!/bin/sh\nexec sleep 600\n' > job
id=$(sbatch --parsable --output=/dev/null job)
until [ "$(squeue -h -j "$id" -o %T)" = RUNNING ]; do sleep 0.1; done
try() { local code=0; timeout --signal=KILL "$1" srun --jobid="$id" --overlap --ntasks=1 touch "$2" < /dev/null > out 2>&1 || code=$?; echo "$code"; }
open=$(try 20 ran-open)
iptables -A INPUT -p tcp --dport 61000:61010 -j DROP
dropped=$(try 60 ran-dropped)
echo "open: exit code $open; dropped: exit code $dropped after 60 s, $(wc -c < out) bytes said, $(squeue -h -j "$id" -o %T)"
if [ "$open" = 0 ] && [ -e ran-open ] && [ "$dropped" = 137 ] && [ ! -e ran-dropped ] && [ ! -s out ] &&
  [ "$(squeue -h -j "$id" -o %T)" = RUNNING ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
