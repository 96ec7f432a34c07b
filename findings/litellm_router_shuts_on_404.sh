#!/bin/bash
# Surprise: LiteLLM's router, with one deployment of a model, shuts it for five seconds after a single 404 or 401 from it, and answers
# everybody 429 "No deployments available" without asking. After 503, 500 or 429 it asks again at once, each time.
# Guess: the other way round: a busy or broken server gets a pause, one client's mistake changes nothing for the others.
# So: in front of LLM-Manager, a 429 may be LiteLLM's own word for a model's name that is no longer right; `allowed_fails` or
# `disable_cooldowns` change it.
# Seen with: litellm 1.110.2, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install litellm==1.110.2
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, logging, threading
import litellm

litellm.suppress_debug_info = True
logging.disable(logging.CRITICAL)
asked, status = 0, 200

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global asked
        asked += 1
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"error": {"message": "as it is", "type": "an_error", "code": status}}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("retry-after", "1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()

def three(**settings):
    global asked
    asked, answers = 0, []
    deployment = {"model": "openai/m", "api_base": f"http://127.0.0.1:{server.server_port}/v1", "api_key": "k"}
    router = litellm.Router(model_list=[{"model_name": "m", "litellm_params": deployment}], num_retries=0, **settings)
    for _ in range(3):
        try:
            router.completion(model="m", messages=[{"role": "user", "content": "hi"}])
        except Exception as error:
            answers.append(getattr(error, "status_code", None) or type(error).__name__)
    return asked, [429 if answer == "RouterRateLimitError" else answer for answer in answers]

seen = {}
for status in (503, 500, 429, 404, 401):
    seen[status] = three()
    print(f"the server says {status}: asked {seen[status][0]} times in three requests, answers {seen[status][1]}")
status = 404
seen["off"] = three(disable_cooldowns=True)
print(f"the server says 404, disable_cooldowns: asked {seen['off'][0]} times")
wanted = {503: (3, [503] * 3), 500: (3, [500] * 3), 429: (3, [429] * 3), 404: (1, [404, 429, 429]), 401: (1, [401, 429, 429]), "off": (3, [404] * 3)}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
