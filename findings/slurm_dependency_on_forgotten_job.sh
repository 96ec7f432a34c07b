#!/bin/bash
# Surprise: a job that waits for another one to end well (`--dependency=afterok:N`) starts at once when N failed so long ago that its
# record is gone (MinJobAge, five minutes by default), or never existed: the condition is dropped, `squeue` shows none, `sbatch`
# says nothing. While the record is there, the same job waits for ever (DependencyNeverSatisfied), and goes on waiting afterwards.
# Guess: refused, or never satisfied: a job that isn't known didn't end well.
# So: whoever chains jobs later than at once (a manager that was away, a person after lunch) has to look at how the first one ended.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

echo "MinJobAge=2" >> "$SLURM_CONF"
echo "DefMemPerNode=100" >> "$SLURM_CONF"
one_node
printf '#!/bin/sh\nexit 7\n' > fails
chmod 755 fails
first=$(sbatch --parsable --output=/dev/null fails)
until [ "$(scontrol show job "$first" | grep -o 'JobState=FAILED')" ]; do sleep 0.2; done
early=$(sbatch --parsable --output=/dev/null --dependency=afterok:"$first" job)
tries=0
while scontrol show job "$first" > /dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 120 ] || { echo "the record stays"; exit 1; }
  sleep 1
done
late=$(sbatch --parsable --output=/dev/null --dependency=afterok:"$first" job)
never=$(sbatch --parsable --output=/dev/null --dependency=afterok:999999 job)
sleep 2
state() { squeue -h -j "$1" -o '%T %r %E'; }
echo "afterok:$first, submitted while its record was there: $(state "$early")"
echo "afterok:$first, when its record was gone: $(state "$late")"
echo "afterok:999999: $(state "$never")"
[ "$(state "$early")" = "PENDING DependencyNeverSatisfied afterok:$first(failed)" ]
[ "$(state "$late")" = "RUNNING None (null)" ] && [ "$(state "$never")" = "RUNNING None (null)" ]
