#!/bin/bash
# Surprise: a job whose working folder doesn't exist on the node runs in /tmp, COMPLETED, with one line in its output to tell so; relative paths
# in its script then mean something else. One whose folder for the output doesn't exist is submitted all the same, FAILED at once, and says nothing
# anywhere but in slurmd's log: JobLaunchFailure, exit code 0:53. No folder is made.
# Guess: `sbatch`, which runs where both folders can be looked at, refuses both; or both fail alike.
# So: paths in a job's script are absolute, the output goes into a folder that is there on all nodes, and 0:53 means "look at the output's path".
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
printf '#!/bin/sh\npwd -P\n' > where
# These two look alike to `sbatch`: it takes both.
lost=$(sbatch --parsable --chdir="$folder/none" --output="$folder/said" where)
mute=$(sbatch --parsable --output="$folder/none/said" where)
state() { scontrol show job "$1" | grep -oE '(JobState|Reason|ExitCode)=[^ ]*' | tr '\n' ' '; }
until [[ "$(state "$lost")" == *COMPLETED* && "$(state "$mute")" == *FAILED* ]]; do sleep 0.2; done
echo "no working folder: $(state "$lost")"
echo "it said: $(cat said)"
echo "no folder for the output: $(state "$mute")"
echo "slurmd: $(grep -o 'Could not open stdout file.*' log/slurmd.log | head -n 1)"
if [ "$(tail -n 1 said)" = /tmp ] && grep -q 'going to /tmp instead' said && [[ "$(state "$mute")" == *JobLaunchFailure*0:53* ]] && [ ! -e none ] &&
  grep -q 'Could not open stdout file' log/slurmd.log; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
