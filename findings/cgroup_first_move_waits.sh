#!/bin/bash
# Surprise: moving a process into a cgroup (v2) isn't a matter of microseconds: who writes to cgroup.procs waits for a grace period
# of RCU, 7 to 17 ms, also for a process without memory or threads. But a move right after another one takes 0.2 ms, whoever was
# moved, and be it from a cgroup into the same one: for some 10 ms the lock stays as it is. (A child that puts itself into its cgroup
# between fork and exec keeps the parent waiting for so long: the standard libraries of Rust and Python wait for its exec.)
# Guess was: a move costs as much as a system call or two, and the second as much as the first.
# So: who starts processes in cgroups of their own and is in a hurry moves itself to where it is while it still waits for something else.
# Seen with: Linux 6.18, cgroup2 without favordynmods, Python 3.11, as root, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/try.py" <<'PYTHON'
import os, statistics, sys, time

mount = next((line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup2 " in line), None)
own = next((line.strip()[3:] for line in open("/proc/self/cgroup") if line.startswith("0::")), None)
if mount is None or own is None:
    sys.exit("no cgroup2 here: nothing can be said")
own = mount + own.rstrip("/")
room = f"{own}/first-move-waits-{os.getpid()}"
os.mkdir(room)

def move(pid, to):
    begin = time.perf_counter()
    with open(to + "/cgroup.procs", "w") as door:
        door.write(str(pid))
    return (time.perf_counter() - begin) * 1000

def moves(behind_another):
    took = []
    for _ in range(21):
        time.sleep(0.1)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        os.close(read)
        if behind_another:
            move(os.getpid(), own)
        took.append(move(child, room))
        os.close(write)
        os.waitpid(child, 0)
    return statistics.median(took)

try:
    alone, behind = moves(False), moves(True)
finally:
    os.rmdir(room)
print(f"Linux {os.uname().release.split('-')[0]}: a move takes {alone:.1f} ms, one right behind another {behind:.2f} ms (medians of 21)")
sys.exit(0 if alone > 2 and behind < alone / 3 else "changed: the first move waits no longer than the second")
PYTHON
python3 "$folder/try.py"
