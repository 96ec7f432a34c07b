#!/bin/bash
# Surprise: `sbatch --export=ALL,X=a,b` gives the job X=a, without a word: the rest is taken for the name of another variable, and that there is none is
# no error. `CUDA_VISIBLE_DEVICES=0,1` in it is card 0 alone, JSON ends after its first member. Within quotes the comma is kept, but so are the quotes.
# Guess: an error for a name that doesn't exist, and quotes that do what they do in a shell.
# So: values with a comma go into the environment of `sbatch`, or into a file for `--export-file`, which takes no part of them for its own.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
printf '#!/bin/sh\nenv | grep ^X= || echo unset\necho end\n' > tell
number=0 right=yes
try() { # the line that is expected, and the option
  number=$((number + 1))
  sbatch --parsable --output="$folder/said$number" "$2" tell > /dev/null
  until grep -qs end "said$number"; do sleep 0.2; done
  echo "$2 makes it $(head -n 1 "said$number")"
  [ "$(head -n 1 "said$number")" = "$1" ] || right=no
}
try 'X=0' --export=ALL,X=0,1
try 'X={"a":1' '--export=ALL,X={"a":1,"b":2}'
try "X='0,1'" "--export=ALL,X='0,1'"
try 'X="0,1"' '--export=ALL,X="0,1"'
printf 'X=0,1\0' > file
try 'X=0,1' "--export-file=$folder/file"
X=0,1 try 'X=0,1' --export=ALL
if [ "$right" = yes ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
