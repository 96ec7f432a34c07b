"""windows.py LINUX_BIN WINDOWS_BIN: speed of llm-manager.exe under Wine beside the Linux build, as a ratio, in one run.

The backend is the Linux fake model server in both cases where it can be (for requests per second it stands outside, so
that only the manager differs); a cold start starts the .exe of it. Each figure is the median of turns that alternate
between the two, for other loads of the machine hit both. Needs wrk, and WINE and WINEPREFIX as scripts/windows/test.sh
sets them.
"""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

LINUX, WINDOWS = map(os.path.abspath, sys.argv[1:3])
WINE = os.environ.get("WINE", "/usr/lib/wine/wine64")
TURNS, SECONDS, STARTS = 5, 3, 7
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=None if body is None else body.encode())
    if body is not None:
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def cpu(pid):
    """Seconds of CPU that a process has taken."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wineserver():
    """The process that does for all programs of Windows what the kernel of Windows would do."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as name, open(f"/proc/{pid}/environ", "rb") as environment:
                ours = f"WINEPREFIX={os.environ['WINEPREFIX']}".encode() in environment.read().split(b"\0")
                if ours and name.read().startswith("wineserver"):
                    return pid
        except OSError:
            pass
    return None


def load(port, lua):
    """Requests per second at 64 connections, and how many they were."""
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    words = ["wrk", "-c64", "-t1", f"-d{SECONDS}s", "-s", lua, url]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    return float(re.search(r"Requests/sec: *([0-9.]+)", said)[1]), int(re.search(r"([0-9]+) requests in", said)[1])


class Manager:
    def __init__(self, name, program, fake, prefix):
        self.name, self.stand = name, None
        self.dir = tempfile.mkdtemp(prefix="llm-manager-speed-")
        self.port, self.backend = free_port(), free_port()
        stub = {"linux": ["sleep", "100000"], "wine": ["ping", "-n", "100000", "127.0.0.1"]}[name]
        with open(f"{self.dir}/config.yaml", "w") as file:
            file.write(
                f"program: {{host: 127.0.0.1, port: {self.port}, alive_time: 0, stop_timeout: 1, log_level: WARN, "
                "Disable_GPU_monitoring: true}\nLocal-Models:\n"
                f"  m: {{mode: Chat, port: {self.backend}, foreign_listener: true, V: {{command: {json.dumps(stub)}}}}}\n"
                f"  cold: {{mode: Chat, foreign_listener: true, V: {{command: ['{fake}', --port, '{{port}}']}}}}\n"
            )
        log = open(f"{self.dir}/log", "wb")
        self.process = subprocess.Popen([*prefix, program], cwd=self.dir, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(3000):
            try:
                call(self.port, "/health")
                break
            except OSError:
                time.sleep(0.02)
        self.lua = f"{self.dir}/post.lua"
        with open(self.lua, "w") as file:
            file.write(
                f"wrk.method='POST'\nwrk.body=[[{BODY}]]\nwrk.headers['Content-Type']='application/json'\n"
            )

    def ready(self):
        """The backend of `m` is the Linux server, which stands outside, and begins when the port has been found free."""
        call(self.port, "/api/models/m/start?wait=false", "")
        while json.loads(call(self.port, "/api/models/m")).get("pid") is None:
            time.sleep(0.02)
        self.stand = subprocess.Popen(
            [f"{LINUX}/fake-model-server", "--port", str(self.backend)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        call(self.port, "/v1/chat/completions", BODY)

    def rate(self):
        """Requests per second at 64 connections; microseconds of CPU for each: the manager's own, and Wine's server's."""
        own, server = cpu(self.process.pid), wineserver()
        before = cpu(server) if server else 0
        rate, count = load(self.port, self.lua)
        own = cpu(self.process.pid) - own
        return rate, own * 1e6 / count, (cpu(server) - before if server else 0) * 1e6 / count

    def cold(self):
        """Milliseconds from a request to its answer, less what the backend alone takes to be ready."""
        began = time.monotonic()
        call(self.port, "/v1/chat/completions", BODY.replace('"m"', '"cold"'))
        took = (time.monotonic() - began) * 1000
        call(self.port, "/api/models/cold/stop", "")
        return took

    def close(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        if self.stand is not None:
            self.stand.kill()
            self.stand.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def bare(words):
    """Milliseconds until a backend answers that nobody manages."""
    port = free_port()
    began = time.monotonic()
    child = subprocess.Popen([*words, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            call(port, "/v1/chat/completions", BODY)
            break
        except OSError:
            time.sleep(0.001)
    took = (time.monotonic() - began) * 1000
    child.kill()
    child.wait()
    return took


linux = Manager("linux", f"{LINUX}/llm-manager", f"{LINUX}/fake-model-server", [])
wine = Manager("wine", f"{WINDOWS}/llm-manager.exe", "Z:" + f"{WINDOWS}/fake-model-server.exe", [WINE])
found = {name: {key: [] for key in ("rate", "cpu", "server", "alone", "cold", "bare")} for name in ("linux", "wine")}
alone = {
    "linux": (free_port(), [f"{LINUX}/fake-model-server"]),
    "wine": (free_port(), [WINE, f"{WINDOWS}/fake-model-server.exe"]),
}
servers = [
    subprocess.Popen([*words, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for port, words in alone.values()
]
try:
    for manager in (linux, wine):
        manager.ready()
    for _ in range(TURNS):
        for manager in (linux, wine):
            for key, value in zip(("rate", "cpu", "server"), manager.rate()):
                found[manager.name][key].append(value)
            found[manager.name]["alone"].append(load(alone[manager.name][0], manager.lua)[0])
    for _ in range(STARTS):
        found["linux"]["bare"].append(bare([f"{LINUX}/fake-model-server"]))
        found["wine"]["bare"].append(bare([WINE, f"{WINDOWS}/fake-model-server.exe"]))
        for manager in (linux, wine):
            found[manager.name]["cold"].append(manager.cold())
finally:
    for manager in (linux, wine):
        manager.close()
    for server in servers:
        server.kill()
        server.wait()

middle = {name: {key: statistics.median(values) for key, values in each.items()} for name, each in found.items()}
for each in middle.values():
    each["delay"] = each["cold"] - each["bare"]
print("| | Linux | Wine | ratio |\n|---|---|---|---|")
for key, text in (
    ("rate", "requests/s at 64 connections"),
    ("cpu", "manager's CPU for a request, µs"),
    ("server", "wineserver's CPU for a request, µs"),
    ("alone", "the model server alone, requests/s at 64 connections"),
    ("cold", "cold start, request to answer, ms"),
    ("bare", "the backend alone, ms"),
    ("delay", "the manager's own delay, ms"),
):
    one, other = middle["linux"][key], middle["wine"][key]
    print(f"| {text} | {one:.1f} | {other:.1f} | {f'{other / one:.2f}' if one else '-'} |")
