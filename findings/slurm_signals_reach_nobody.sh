#!/bin/bash
# Surprise: `scancel --signal=USR1 JOB` and `sbatch --signal=USR1@30` succeed, and nobody gets the signal: they mean the steps of a job, and a
# batch job that starts its server itself has none. `--batch` means the shell alone, not what it started; only `--full` means all. Exit code 0, too,
# come from `scancel` of a job that has ended, that never was, by a name that no job has, and with `--state=RUNNING` for one that waits.
# Guess: the signal goes to the script and its children; a job that isn't there is an error, as it is for `scontrol` and `squeue`.
# So: `--full` for servers; whether a job is gone is asked of `squeue`, never of the exit code of `scancel`.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
cat > serve <<'SCRIPT'
#!/bin/bash
trap 'echo "the script"' USR1
bash -c "trap 'echo \"the child\"' USR1; echo up; while :; do sleep 0.1; done" &
while :; do wait; done
SCRIPT
chmod 755 serve
heard() { grep -x 'the [a-z]*' "$1" | sort -u | tr '\n' ' '; }
right=yes
for way in "" --batch --full; do
  id=$(sbatch --parsable --output="$folder/said$way" serve)
  until grep -qs up "said$way"; do sleep 0.2; done
  # shellcheck disable=SC2086
  scancel --signal=USR1 $way "$id"
  # A second, in which the others are heard long before its end.
  sleep 1
  echo "scancel --signal=USR1 $way: heard by $(heard "said$way")"
  scancel --signal=KILL --full "$id"
done
[ -z "$(heard said || :)" ] && [ "$(heard said--batch)" = "the script " ] && [ "$(heard said--full)" = "the child the script " ] || right=no
waits=$(sbatch --parsable --hold job)
code() { local code=0; "$@" > /dev/null 2>&1 || code=$?; echo "$*: exit code $code"; [ "$code" = "$wanted" ] || right=no; }
wanted=0
code scancel "$id"
code scancel 999999
code scancel --name=nobody
code scancel --state=RUNNING "$waits"
echo "it $(squeue -h -j "$waits" -o %T)"
[ "$(squeue -h -j "$waits" -o %T)" = PENDING ] || right=no
wanted=1
code scontrol show job 999999
code squeue -j 999999
if [ "$right" = yes ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
