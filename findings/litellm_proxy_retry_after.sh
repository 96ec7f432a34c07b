#!/bin/bash
# Surprise: LiteLLM's proxy renames its backend's `Retry-After` to `llm_provider-retry-after`: a client that is told 503 or 429, and
# could wait the seconds that the backend knows, repeats after half a second, and once more after one. The status passes.
# Guess: Retry-After passes as well; it says when, and not who.
# So: behind LiteLLM's proxy nobody waits as long as a loading model needs; let the backend hold the request, or set the proxy's own
# `num_retries` and `retry_after`.
# Seen with: litellm 1.108.7 with its proxy, openai 3.57.0 for Python, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install 'litellm[proxy]==1.108.7'
python3 -m venv "$folder/client"
"$folder/client/bin/pip" --disable-pip-version-check --quiet install openai==3.57.0
cat > "$folder/try.py" <<'PYTHON'
import contextlib, http.server, json, os, socket, subprocess, sys, threading, time, urllib.request
import openai

folder = sys.argv[1]
KEY = "sk-of-a-finding-0123456789-abcdefghij"
times = []

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        times.append(time.monotonic())
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"error": {"message": "loading", "type": "overloaded", "code": 503}}).encode()
        self.send_response(503)
        self.send_header("content-type", "application/json")
        self.send_header("retry-after", "3")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
backend = f"http://127.0.0.1:{server.server_port}/v1"
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
behind = {"model": "openai/m", "api_base": backend, "api_key": "k"}
config = {"model_list": [{"model_name": "m", "litellm_params": behind}], "general_settings": {"master_key": KEY}, "router_settings": {"num_retries": 0}}
with open(folder + "/config.yaml", "w") as file:
    json.dump(config, file)
env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": f"{folder}/venv/bin:{os.environ['PATH']}"}
proxy = subprocess.Popen([folder + "/venv/bin/litellm", "--config", folder + "/config.yaml", "--host", "127.0.0.1", "--port", str(port)],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)

def ask(url):
    times.clear()
    client = openai.OpenAI(base_url=url, api_key=KEY, max_retries=1)
    try:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    except openai.APIStatusError as error:
        headers = {name: value for name, value in error.response.headers.items() if "retry-after" in name}
        return error.status_code, headers, round(times[1] - times[0], 1)

try:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models", headers={"Authorization": f"Bearer {KEY}"})
            if urllib.request.urlopen(request).status == 200:
                break
        time.sleep(0.3)
    direct, through = ask(backend), ask(f"http://127.0.0.1:{port}/v1")
finally:
    proxy.kill()
for name, (status, headers, pause) in (("without the proxy", direct), ("through it", through)):
    print(f"{name}: {status}, {headers}, asked again after {pause} s")
right = direct[:2] == (503, {"retry-after": "3"}) and direct[2] >= 2.9 and through[:2] == (503, {"llm_provider-retry-after": "3"}) and through[2] < 2
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/client/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
