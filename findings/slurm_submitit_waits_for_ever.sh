#!/bin/bash
# Surprise: submitit, on a cluster without accounting (Slurm as it comes, no slurmdbd), knows a job's state by `sacct` alone: it is UNKNOWN
# while the job waits, runs, and when it is over. A job that was cancelled is never `done()`, and `result()` waits for ever; only
# one that wrote its result is. `squeue` and `scontrol`, which know, aren't asked.
# Guess: RUNNING and CANCELLED, or an error that says that it needs accounting.
# So: on such clusters give `result()` a watch of one's own, and ask `squeue --states=all`.
# Seen with: submitit 1.5.4 (Python), Slurm 22.05.8 (Debian 12), 2026-11-29.
set -euo pipefail

install() {
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" --disable-pip-version-check --quiet install submitit==1.5.4
}
source "$(dirname "$0")/slurm_22_05.inc"

echo "DefMemPerNode=100" >> "$SLURM_CONF"
one_node
cat > try.py <<'PYTHON'
import logging, subprocess, threading, time
import submitit

logging.disable(logging.CRITICAL)
executor = submitit.AutoExecutor(folder="jobs", cluster="slurm")
executor.update_parameters(timeout_min=5, mem_gb=0.1)

def squeue(job):
    return subprocess.run(["squeue", "-h", "--states=all", "-j", job.job_id, "-o", "%T"], capture_output=True, text=True).stdout.strip()

def until(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)

short = executor.submit(max, 1, 2)
until(lambda: short.done(force_check=True))
print(f"a job that ended by itself: {squeue(short)} says squeue, {short.state} says submitit, done {short.done()}, result {short.result()}")
long = executor.submit(time.sleep, 60)
until(lambda: squeue(long) == "RUNNING")
running = squeue(long), long.get_info(mode="force").get("State", "UNKNOWN"), long.state
long.cancel()
until(lambda: squeue(long) == "CANCELLED")
waiting = threading.Thread(target=lambda: long.exception(), daemon=True)
waiting.start()
waiting.join(15)
ended = squeue(long), long.state, long.done(force_check=True), waiting.is_alive()
print(f"a job of a minute: {running[0]} says squeue, {running[2]} says submitit")
print(f"cancelled: {ended[0]} says squeue, {ended[1]} says submitit, done {ended[2]}, waits for its result after 15 s: {ended[3]}")
right = short.state == "UNKNOWN" and short.result() == 2 and running == ("RUNNING", "UNKNOWN", "UNKNOWN") and ended == ("CANCELLED", "UNKNOWN", False, True)
raise SystemExit(0 if right else 1)
PYTHON
"$folder/venv/bin/python" try.py 2> errors || { tail -n 5 errors; exit 1; }
grep -m 1 "accounting" errors
