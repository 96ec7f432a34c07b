#!/bin/bash
# Surprise: `squeue -O comment` cuts a comment at 20 characters, without a sign; so it does with every field of -O/--Format. `-o %k`
# prints the whole of it.
# Guess: the newer, longer option prints at least as much as the old one.
# So: use -o, or give every field of -O a width (`comment:1024`), and never let a machine read the default.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
text="http://node-with-a-long-name.example:20017"
sbatch --hold --comment="$text" --output=/dev/null job > /dev/null
long=$(squeue -h -O comment)
short=$(squeue -h -o %k)
wide=$(squeue -h -O comment:64)
printf '%s\n' "-O comment    '$long'" "-o %k         '$short'" "-O comment:64 '$wide'"
[ "$long" = "${text:0:20}" ] && [ "$short" = "$text" ] && [ "${wide%% *}" = "$text" ]
