#!/bin/bash
# Surprise: lines of another scheduler that are left in a script are obeyed, `#PBS` and `#BSUB`, and they beat `#SBATCH` whichever comes first: a limit of 20
# minutes becomes 10, a name the old one, and `#PBS -l nodes=4` takes four nodes. What the command line says holds; `--ignore-pbs` leaves out `#PBS`,
# and `#BSUB`, too.
# Guess: comments.
# So: a script that was moved from PBS or LSF loses these lines, or its job is larger, shorter or elsewhere than its #SBATCH lines say.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
seen=
try() {
  local what=$1 job
  printf '#!/bin/sh\n%bsleep 60\n' "$what" > moved
  shift
  job=$(sbatch --parsable --hold --output=/dev/null "$@" moved)
  seen+=$(squeue -h -j "$job" -o '%l %D %C %j;')
  echo "$(echo "$what" | sed 's/\\n/  /g') $*: $(squeue -h -j "$job" -o 'limit %l, nodes %D, cores %C, name %j')"
}
try '#SBATCH --time=20\n#SBATCH --job-name=new\n#PBS -l walltime=00:10:00\n#PBS -N old\n'
try '#PBS -l walltime=00:10:00\n#PBS -N old\n#SBATCH --time=20\n#SBATCH --job-name=new\n'
try '#SBATCH --nodes=1\n#PBS -l nodes=4\n'
try '#SBATCH --time=20\n#BSUB -W 10\n#BSUB -n 4\n'
try '#PBS -l walltime=00:10:00\n#PBS -l nodes=4\n' --time=30 --nodes=1
try '#PBS -l walltime=00:10:00\n#BSUB -n 4\n' --time=30 --ignore-pbs
[ "$seen" = "10:00 1 1 old;10:00 1 1 old;UNLIMITED 4 4 moved;10:00 1 4 moved;30:00 1 1 moved;30:00 1 1 moved;" ]
