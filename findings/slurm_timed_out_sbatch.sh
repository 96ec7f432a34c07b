#!/bin/bash
# Surprise: an `sbatch` that is ended because it got no answer in time submits its job all the same: the request waits in the
# socket of the controller, which carries it out once it looks. The job runs, and nobody was told its number.
# Guess: what was given up on was not done; the client has to be there to hear of its number.
# So: never submit again after a timeout. Give each job a name that no other has, and ask for it until the controller answers.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
kill -STOP "$(cat "$folder/slurmctld.pid")"
code=0
timeout 2 sbatch --parsable --job-name=given-up --output=/dev/null job || code=$?
echo "sbatch was ended after 2 s (exit code $code) while the controller stood still"
kill -CONT "$(cat "$folder/slurmctld.pid")"
sleep 2
found=$(squeue -h --name=given-up -o %T)
echo "a moment later: ${found:-no such job}"
[ "$code" = 124 ] && [ -n "$found" ]
