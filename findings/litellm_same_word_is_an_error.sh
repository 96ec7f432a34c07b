#!/bin/bash
# Surprise: litellm breaks off a stream that brings the same text a hundred times in a row, "The model is repeating the same chunk", although
# the server sends the whole answer: MidStreamFallbackError around an InternalServerError, status 500, which callers try again (aider
# 0.86.2 does). A piece of two characters may come as often, and without `stream` the same answer is taken.
# Guess: what a model says is passed on.
# So: a table's ruler, rows of zeros, a test model: it fails as a stream, and the server's log says that all went well.
# Seen with: litellm 1.110.2 (Python), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install litellm==1.110.2
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, threading
import litellm

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        word, times = json.loads(asked["messages"][-1]["content"])
        about = {"id": "1", "created": 1, "model": "m"}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if asked.get("stream") else "application/json")
        self.end_headers()
        if not asked.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": word * times}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": times, "total_tokens": 1 + times}
            self.wfile.write(json.dumps({**about, "object": "chat.completion", "choices": [choice], "usage": usage}).encode())
            return
        for delta, reason in [({"role": "assistant", "content": ""}, None), *[({"content": word}, None)] * times, ({}, "stop")]:
            chunk = {**about, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.handle_error = lambda *_: None  # clients that hang up
threading.Thread(target=server.serve_forever, daemon=True).start()

def said(word, times, stream):
    asked = {"model": "openai/m", "api_base": f"http://127.0.0.1:{server.server_port}/v1", "api_key": "k", "num_retries": 0, "max_retries": 0}
    answer = litellm.completion(messages=[{"role": "user", "content": json.dumps([word, times])}], stream=stream, **asked)
    try:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer) if stream else answer.choices[0].message.content
        return text == word * times
    except Exception as error:
        return "repeating the same chunk" in str(error) and (type(error).__name__, error.status_code)

CASES = {"99 as a stream": (" 0.0", 99, True), "120 as a stream": (" 0.0", 120, True), "120 of two characters": (" 0", 120, True), "120, not streamed": (" 0.0", 120, False)}
seen = {name: said(*case) for name, case in CASES.items()}
print(f"whole, or the error: {seen}")
raise SystemExit(0 if list(seen.values()) == [True, ("MidStreamFallbackError", 500), True, True] else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
