#!/bin/bash
# Surprise: `scontrol requeue JOB` puts a running job back, but it may not start before two minutes have passed, with its node idle: PENDING, BeginTime.
# `scontrol update StartTime=now` lets it. Its first run's output is gone then: the file begins anew. `scontrol hold` of a running
# job succeeds and changes nothing but its reason, JobHeldAdmin, of a job that is RUNNING.
# Guess: it starts again at once and goes on writing; a job that runs can't be held.
# So: a server that has to be restarted is cancelled and submitted again; `--open-mode=append`, as LLM-Manager says it, keeps what was written.
# Seen with: Slurm 22.05.8 (Debian 12), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "run $((1 + ${SLURM_RESTART_COUNT:-0}))"\nexec sleep 60\n' > counts
state() { squeue -h -j "$1" -o '%T %r'; }
id=$(sbatch --parsable --requeue --output="$folder/said" counts)
until grep -qs run said; do sleep 0.2; done
scontrol hold "$id"
held=$(state "$id")
scontrol release "$id"
scontrol requeue "$id"
until [ "$(sinfo -h -t idle -o %N)" = n1 ] && [ "$(state "$id")" = "PENDING BeginTime" ]; do sleep 0.2; done
wait=$(($(date -d "$(scontrol show job "$id" | grep -oP 'EligibleTime=\K[^ ]*')" +%s) - $(date +%s)))
scontrol update "JobId=$id" StartTime=now
until grep -qs 'run 2' said; do sleep 0.2; done
echo "held while it ran: $held; requeued: to wait $wait s longer on an idle node; then it said: $(tr '\n' ' ' < said)"
if [ "$held" = "RUNNING JobHeldAdmin" ] && [ "$wait" -gt 90 ] && [ "$wait" -le 121 ] && [ "$(cat said)" = "run 2" ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
