#!/usr/bin/env python3
"""How cost grows with what is configured: models and devices.

    bench/growth.py [--manager PATH] [--seconds N] [--models 1,10,100,1000] [--devices 1,8,64]

For each pair a manager of its own, with so many models (none of which is started) and so many devices of the user's (each a `cat` of a
file): from exec to /health, memory and CPU time while nobody does anything, CPU while one page watches (of the manager; each look at a
device starts a process), the size of the first event of /api/events and of those that follow, and the first load of the
dashboard: bytes and requests of the page with what it names, of the list of models and of that first event, over one connection.
`cargo run --release -p llm-manager-policy --example decide_speed` has the time of a placement decision.
"""
import argparse
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_seconds(pid):
    """CPU time of the process without its children, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_mib(pid):
    """Resident memory, and the part of it that is no file's."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "RssAnon"))


class Manager:
    def __init__(self, folder, options, models, devices):
        self.port, self.log = free_port(), folder / "manager.log"
        plugins = []
        for number in range(devices):
            file = folder / f"device-{number}.json"
            file.write_text(json.dumps({"online": True, "memory_total_mb": 24000, "memory_used_mb": 100}))
            plugins.append({"name": f"gpu {number}", "command": ["cat", str(file)]})
        variant = lambda number: {"required_devices": [f"gpu {number % devices}"],
                                  "memory_mb": {f"gpu {number % devices}": 4000}, "command": ["/bin/false", "{port}"]}
        config = {"program": {"host": "127.0.0.1", "port": self.port, "log_level": "INFO"}, "devices": plugins,
                  "Local-Models": {f"model-{number}": {"only": variant(number)} for number in range(models)}}
        (folder / "config.yaml").write_text(json.dumps(config))
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([options.manager, "--config", folder / "config.yaml"], cwd=folder,
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while True:
            try:
                if self.get("/health")[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > began + 60 or self.process.poll() is not None:
                raise SystemExit(f"bench: no answer; see {self.log}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.002)
        self.started_ms = (time.monotonic() - began) * 1000

    def get(self, path, connection=None, headers=None):
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def events(self):
        """A connection to /api/events, which yields the bytes of each event."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/api/events")
        return connection.getresponse()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def one_event(answer):
    size = 0
    while True:
        line = answer.readline()
        size += len(line)
        if line == b"\n" and size > 1:
            return size


def first_load(manager):
    """The page, what it names, the list of models and the first event: requests, bytes and time."""
    connection = http.client.HTTPConnection("127.0.0.1", manager.port, timeout=60)
    zipped = {"Accept-Encoding": "gzip"}
    began = time.monotonic()
    _, page = manager.get("/", connection)
    text = page.decode()
    named = sorted(set(re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', text)))
    sizes = [len(page)]
    for path in named:
        path = path if path.startswith("/") else "/" + path.removeprefix("./")
        status, body = manager.get(path, connection, zipped)
        assert status == 200, (path, status)
        sizes.append(len(body))
    sizes.append(len(manager.get("/api/models", connection, zipped)[1]))
    answer = manager.events()
    sizes.append(one_event(answer))
    took = (time.monotonic() - began) * 1000
    answer.close()
    return len(sizes), sum(sizes), took


def measure(options, models, devices):
    with tempfile.TemporaryDirectory(prefix="bench-growth-") as folder:
        manager = Manager(Path(folder), options, models, devices)
        pid = manager.process.pid
        time.sleep(3)
        memory = memory_mib(pid)

        idle = own_seconds(pid)
        time.sleep(options.seconds)
        idle = 100 * (own_seconds(pid) - idle) / options.seconds
        requests, size, took = first_load(manager)
        answer = manager.events()
        first = one_event(answer)
        watching, bytes_seen = [own_seconds(pid), time.monotonic()], 0
        while time.monotonic() < watching[1] + options.seconds:
            bytes_seen += one_event(answer)
        seconds = time.monotonic() - watching[1]
        watched = 100 * (own_seconds(pid) - watching[0]) / seconds
        answer.close()
        manager.end()
        return [models, devices, f"{manager.started_ms:.0f}", f"{memory[0]:.1f} ({memory[1]:.1f})", f"{idle:.3f}",
                f"{watched:.2f}", f"{first / 1024:.1f}", f"{bytes_seen / seconds / 1024:.1f}",
                f"{requests}, {size / 1024:.0f} KiB, {took:.0f} ms"]


def main():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    numbers = lambda text: [int(number) for number in text.split(",")]
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--manager", default=target / "llm-manager", type=Path)
    options.add_argument("--seconds", default=10, type=float)
    options.add_argument("--models", default=[1, 10, 100, 1000], type=numbers)
    options.add_argument("--devices", default=[1, 8, 64], type=numbers)
    options = options.parse_args()
    head = ["models", "devices", "start, ms", "RSS, MiB (no file's)", "idle, % of a core",
            "one watches, % of a core", "first event, KiB", "events, KiB/s", "first load"]
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head), flush=True)
    for models in options.models:
        for devices in options.devices:
            row = measure(options, models, devices)
            print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


if __name__ == "__main__":
    main()
