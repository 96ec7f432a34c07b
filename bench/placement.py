#!/usr/bin/env python3
"""What placement adds to a cold start: the same start with devices to choose by, and without any look at them.

    bench/placement.py [--manager PATH] [--fake PATH] [--rounds N] [--devices N]

Two managers run side by side, one with `Disable_GPU_monitoring: true`, one with `cpu` and N devices of the user's own (each a `cat`
of a file). In turns, one model of each is stopped and asked for; the time is that from the request to its answer, and, from the
log of the manager, that from `queued` to `starting`. Medians, and the difference of the medians with its 95 % interval (bootstrap).
"""
import argparse
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = "model"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Manager:
    def __init__(self, folder, options, devices):
        folder.mkdir()
        self.port, self.log = free_port(), folder / "manager.log"
        program = {"host": "127.0.0.1", "port": self.port, "alive_time": 0, "log_level": "INFO", "min_hold": 0,
                   "Disable_GPU_monitoring": devices is None}
        plugins, needs = [], {}
        for number in range(devices or 0):
            file = folder / f"device-{number}.json"
            file.write_text(json.dumps({"online": True, "memory_total_mb": 24000, "memory_used_mb": 0}))
            plugins.append({"name": f"gpu {number}", "command": ["cat", str(file)]})
        if devices:
            # Nothing shows what a model used: with an amount, its next start would wait for the memory to show.
            needs = {"required_devices": [f"gpu {devices - 1}"]}
            if options.memory:
                needs["memory_mb"] = {f"gpu {devices - 1}": options.memory}
        variant = {"required_devices": [], **needs,
                   "command": [options.fake, "--port", "{port}", "--name", "{model}"]}
        config = {"program": program, "devices": plugins, "Local-Models": {MODEL: {"only": variant}}}
        (folder / "config.yaml").write_text(json.dumps(config))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([options.manager, "--config", folder / "config.yaml"], cwd=folder,
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                if self.ask("GET", "/health")[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"bench: no answer; see {self.log}")
            time.sleep(0.02)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def cold_start(self):
        """Milliseconds from the request to its answer, of a model that is stopped."""
        status, text = self.ask("POST", f"/api/models/{MODEL}/stop")
        if status != 200:
            raise SystemExit(f"bench: stop: {status} {text}")
        begin = time.perf_counter()
        status, text = self.ask("POST", "/v1/chat/completions", {"model": MODEL, "messages": []})
        took = (time.perf_counter() - begin) * 1000
        if status != 200:
            raise SystemExit(f"bench: {status} {text}")
        return took

    def queued(self):
        """Milliseconds from each `queued` in the log to the `starting` that follows."""
        times = []
        for line in self.log.read_text().splitlines():
            match = re.match(r"\[\S+T\d\d:(\d\d):([\d.]+)Z .*models/model: (\S+) -> (\S+)", line)
            if not match:
                continue
            moment = int(match[1]) * 60_000 + float(match[2]) * 1000
            if match[4] == "queued":
                begin = moment
            elif match[3] == "queued":
                times.append((moment - begin) % 3_600_000)
        return times

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def interval(one, other):
    """95 % interval of the difference of medians."""
    dice = random.Random(1)
    draw = lambda values: statistics.median(dice.choices(values, k=len(values)))
    differences = sorted(draw(one) - draw(other) for _ in range(2000))
    return differences[50], differences[-51]


def main():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--manager", default=target / "llm-manager", type=Path)
    options.add_argument("--fake", default=target / "fake-model-server", type=str)
    options.add_argument("--rounds", default=60, type=int)
    options.add_argument("--devices", default=2, type=int)
    options.add_argument("--memory", default=0, type=int)
    options = options.parse_args()
    options.fake = str(options.fake)
    with tempfile.TemporaryDirectory(prefix="bench-placement-") as folder:
        folder = Path(folder)
        managers = {"no monitoring": Manager(folder / "without", options, None),
                    f"cpu and {options.devices} devices": Manager(folder / "with", options, options.devices)}
        times = {name: [] for name in managers}
        for turn in range(options.rounds + 3):
            order = list(managers.items())
            for name, manager in order if turn % 2 else order[::-1]:
                took = manager.cold_start()
                if turn >= 3:
                    times[name].append(took)
        queued = {name: manager.queued() for name, manager in managers.items()}
        for manager in managers.values():
            manager.end()
    for name, values in times.items():
        values = sorted(values)
        wait = f", queued {statistics.median(queued[name]):.1f} ms" if queued[name] else ""
        print(f"{name:>20}: median {statistics.median(values):.2f} ms, p95 {values[int(len(values) * 0.95)]:.2f} ms{wait}")
    without, with_devices = times.values()
    low, high = interval(with_devices, without)
    added = statistics.median(with_devices) - statistics.median(without)
    print(f"{'added':>20}: {added:.2f} ms (95 %: {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
