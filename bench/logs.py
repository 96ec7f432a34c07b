#!/usr/bin/env python3
"""What a backend that writes much costs the manager, beside `cat > FILE` behind the same writer.

    bench/logs.py --manager PATH --fake PATH [--mb 50] [--seconds 8] [--rounds 5]

A writer makes lines of 100 bytes at --mb megabytes a second (10^6 bytes) for --seconds, and tells how many it got rid of: a
reader that is too slow holds it up. It writes into a pipe to `cat > FILE`, and as the backend of a model, whose log goes into the
files of `logs:` with the bounds of its defaults. The two take turns. Printed are the CPU time of cat and of the manager for a
gigabyte, the bytes per second that the writer reached, and the medians of both ratios.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from stand import cpu_seconds, free_port  # noqa: E402

WRITER = r"""
import os, sys, time
rate, seconds, told = float(sys.argv[1]) * 1e6, float(sys.argv[2]), sys.argv[3]
line = b"slot update_slots: id 3 | task 1234 | prompt processing progress, n_past = 2048, n_tokens = 512 ..."
block = (line[:99].ljust(99) + b"\n") * 512
began, done = time.monotonic(), 0
while (gone := time.monotonic() - began) < seconds:
    if done > gone * rate:
        time.sleep((done - gone * rate) / rate)
        continue
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(1, rest):]
    done += len(block)
with open(told + ".new", "w") as file:
    file.write(f"{done} {time.monotonic() - began}")
os.rename(told + ".new", told)
"""


def told_in(path, process, limit):
    """Bytes per second that the writer reached; waits for it."""
    until = time.monotonic() + limit
    while not path.exists():
        if process.poll() not in (None, 0) or time.monotonic() > until:
            raise SystemExit("logs: the writer did not come to its end")
        time.sleep(0.05)
    done, seconds = path.read_text().split()
    return int(done), int(done) / float(seconds)


def through_cat(options, folder, writer):
    told = folder / "cat.told"
    told.unlink(missing_ok=True)
    source = subprocess.Popen([sys.executable, writer, str(options.mb), str(options.seconds), told], stdout=subprocess.PIPE)
    with open(folder / "cat.log", "wb") as out:
        cat = subprocess.Popen(["cat"], stdin=source.stdout, stdout=out)
    source.stdout.close()
    while source.poll() is None:
        cpu = cpu_seconds([cat.pid])
        time.sleep(0.02)
    cat.wait()
    done, rate = told_in(told, source, 5)
    (folder / "cat.log").unlink()
    return cpu / done * 1e9, rate


def through_manager(options, folder, writer):
    told = folder / "manager.told"
    told.unlink(missing_ok=True)
    port = free_port()
    script = folder / "model.sh"
    script.write_text(f'#!/bin/sh\n{sys.executable} {writer} {options.mb} {options.seconds} {told} &\nexec {options.fake} --port "$PORT" --name m\n')
    config = {
        "program": {"host": "127.0.0.1", "port": port, "alive_time": 0},
        "Local-Models": {"m": {"mode": "Chat", "V": {"script_path": str(script)}}},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    with open(folder / "manager.log", "wb") as log:
        manager = subprocess.Popen([options.manager, "--config", folder / "config.yaml"], cwd=folder, stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise SystemExit("logs: the manager does not answer: " + (folder / "manager.log").read_text())
        before = cpu_seconds([manager.pid])
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=60).read()
        done, rate = told_in(told, manager, options.seconds * 10)
        return (cpu_seconds([manager.pid]) - before) / done * 1e9, rate
    finally:
        manager.terminate()
        manager.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manager", required=True)
    parser.add_argument("--fake", required=True)
    parser.add_argument("--mb", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    options.manager, options.fake = str(Path(options.manager).resolve()), str(Path(options.fake).resolve())
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-logs-") as name:
        folder = Path(name)
        writer = folder / "writer.py"
        writer.write_text(WRITER)
        for at in range(options.rounds):
            cat, cat_rate = through_cat(options, folder, writer)
            manager, manager_rate = through_manager(options, folder, writer)
            rows.append((manager / cat, manager_rate / cat_rate))
            print(f"round {at + 1}: cat {cat:.2f} s/GB at {cat_rate / 1e6:.1f} MB/s; manager {manager:.2f} s/GB at {manager_rate / 1e6:.1f} MB/s")
    print(f"CPU {statistics.median(row[0] for row in rows):.2f} x cat's, the writer at {statistics.median(row[1] for row in rows):.3f} of its speed before cat")


main()
