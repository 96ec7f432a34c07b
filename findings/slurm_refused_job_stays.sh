#!/bin/bash
# Surprise: a job that `sbatch` refuses because no node has what it asks for (exit code 1, no number printed) is kept by Slurm
# all the same: `squeue --states=all` shows it by its name, FAILED with the reason BadConstraints, until MinJobAge is over.
# Guess: what is refused leaves no trace.
# So: whoever looks for a job by its name has to leave out those that failed without ever having had a node.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
code=0
number=$(sbatch --parsable --job-name=too-much --mem=99999999 --output=/dev/null job) || code=$?
echo "exit code $code, number '$number'"
sleep 1
found=$(squeue -h --states=all -o '%j %T %r')
echo "squeue: ${found:-nothing is left}"
[ "$code" = 1 ] && [ -z "$number" ] && [ "$found" = "too-much FAILED BadConstraints" ]
