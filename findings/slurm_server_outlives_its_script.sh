#!/bin/bash
# Surprise: `scancel` gives a job KillWait to end after SIGTERM, and SIGKILL afterwards, but for the sake of the batch script's shell alone:
# where that ends at once and the server that it started takes its time, the job is CANCELLED within a second, what it held
# is free for the next one, and nobody ever ends the server. With `exec` in front of the server's line the job stays
# COMPLETING until it is gone, by SIGKILL after KillWait.
# Guess: a job is over when its processes are, however they were started.
# So: `exec` in each script that serves; else two servers share a GPU that Slurm lends to one.
# Seen with: Slurm 22.05.8 (Debian 12) with proctrack/linuxproc and KillWait=5, 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
cat > server.py <<'PYTHON'
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: None)
with open("pid.new", "w") as file:
    file.write(str(os.getpid()))
os.rename("pid.new", "pid")
while True:
    time.sleep(1)
PYTHON
printf '#!/bin/sh\npython3 server.py\necho ended\n' > plain
printf '#!/bin/sh\nexec python3 server.py\n' > with-exec
chmod 755 plain with-exec

seen() {
  kill -0 "$(cat pid)" 2> /dev/null && server=lives || server=gone
  echo "$(squeue -h --states=all -j "$number" -o %T), its server $server, the next job $(squeue -h --states=all -j "$next" -o %T)"
}

declare -A early late
for script in plain with-exec; do
  rm -f pid
  number=$(sbatch --parsable --output=/dev/null "$script")
  next=$(sbatch --parsable --output=/dev/null job)
  until [ -e pid ]; do sleep 0.1; done
  scancel "$number"
  sleep 3
  early[$script]=$(seen)
  sleep 7
  late[$script]=$(seen)
  echo "$script: after 3 s ${early[$script]}; after 10 s ${late[$script]}"
  kill -KILL "$(cat pid)" 2> /dev/null || :
  scancel "$next"
  until [ -z "$(squeue -h)" ]; do sleep 0.2; done
done
[ "${early[plain]}" = "CANCELLED, its server lives, the next job RUNNING" ] && [ "${late[plain]}" = "${early[plain]}" ]
[ "${early[with-exec]}" = "COMPLETING, its server lives, the next job PENDING" ] && [ "${late[with-exec]}" = "CANCELLED, its server gone, the next job RUNNING" ]
