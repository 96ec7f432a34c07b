#!/bin/bash
# Surprise: LiteLLM's `num_retries=2` isn't how often OpenAI's client below it repeats, but how often its three tries, which heed
# `Retry-After`, are followed by further ones that don't: five requests, the last two at the same moment. And it repeats what can't
# succeed: 404, 401 and 400, a prompt too long for the model among them, are asked three times at once. For this it wants tenacity, which
# its package doesn't bring: without it every error, a 400 too, becomes a bare Exception about that import.
# Guess: three requests, each after the pause that the server asked for, one for a client's mistake, and the server's error in the end.
# So: in counts of requests one of LiteLLM's mistakes is three; with `max_retries=2` instead it is as one would guess.
# Seen with: litellm 1.110.2, openai 3.57.0, tenacity 9.1.4 (Python), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install litellm==1.110.2 openai==3.57.0
cat > "$folder/try.py" <<'PYTHON'
import http.server, importlib.util, json, logging, threading, time
import litellm

litellm.suppress_debug_info = True
logging.disable(logging.CRITICAL)
asked, status = [], 200

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked.append(time.monotonic())
        self.rfile.read(int(self.headers["content-length"]))
        error = {"message": "This model's maximum context length is 512 tokens.", "type": "invalid_request_error", "code": "context_length_exceeded"} if status == 400 else {"message": "as it is", "type": "an_error", "code": status}
        body = json.dumps({"error": error}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("retry-after", "2")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
with_tenacity = importlib.util.find_spec("tenacity") is not None
print("with tenacity" if with_tenacity else "without tenacity")
STATUSES = (503, 429, 404, 401, 400)
seen = {}
for option in ("num_retries", "max_retries"):
    for status in STATUSES:
        asked.clear()
        try:
            litellm.completion(model="openai/m", api_base=f"http://127.0.0.1:{server.server_port}/v1", api_key="k", messages=[{"role": "user", "content": "hi"}], **{option: 2})
        except Exception as error:
            told = type(error).__name__ + (f" ({error})"[:40] if type(error) is Exception else "")
        gaps = [round(later - before) for before, later in zip(asked, asked[1:])]
        seen[option, status] = gaps, told.startswith("Exception (tenacity import failed")
        print(f"{option}=2, {status} with retry-after: 2: {len(asked)} requests, seconds between them {gaps}, {told}")
paced = {status: [2, 2] if status in (503, 429) else [] for status in STATUSES}
wanted = {("num_retries", status): (gaps + [0, 0] if with_tenacity else gaps, not with_tenacity) for status, gaps in paced.items()}
wanted |= {("max_retries", status): (gaps, False) for status, gaps in paced.items()}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
export LITELLM_LOCAL_MODEL_COST_MAP=True
"$folder/venv/bin/python" "$folder/try.py" || { echo "it has changed: adapt what relies on it"; exit 1; }
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install tenacity==9.1.4
"$folder/venv/bin/python" "$folder/try.py" || { echo "it has changed: adapt what relies on it"; exit 1; }
echo "still so"
