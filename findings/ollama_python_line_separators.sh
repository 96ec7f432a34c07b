#!/bin/bash
# Surprise: a line separator of Unicode (U+2028) or a next-line sign (U+0085) in a model's text breaks the stream for ollama's
# and Hugging Face's Python clients, with JSONDecodeError: httpx's `iter_lines` ends a line at each of them, and the JSON is cut
# in two. OpenAI's client, which looks for LF and CR in bytes, reads the same text. Ollama itself escapes U+2028, most other
# servers don't.
# Guess: JSON may hold both signs as they are, NDJSON and SSE end lines at LF or CR only, so every client reads them.
# So: who writes NDJSON for clients escapes U+0085, U+2028 and U+2029.
# Seen with: ollama 0.6.3 (httpx 0.28.1), huggingface_hub 2.4.0 (httpx2 2.16.2), openai 3.57.0 for Python, 2026-11-29.
set -euo pipefail

OLLAMA=0.6.3
HUB=2.4.0
OPENAI=3.57.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install "ollama==$OLLAMA" "huggingface_hub==$HUB" "openai==$OPENAI" httpx==0.28.1 httpx2==2.16.2
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, threading
import huggingface_hub, ollama, openai

escaped = False

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson" if self.path.startswith("/api") else "text/event-stream")
        self.end_headers()
        for text in ("a\u2028b", "c\u0085d"):
            if self.path.startswith("/api"):
                line = {"model": "m", "message": {"role": "assistant", "content": text}, "done": text[0] == "c"}
                self.wfile.write(json.dumps(line, ensure_ascii=escaped).encode() + b"\n")
            else:
                choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
                event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
                self.wfile.write(b"data: " + json.dumps(event, ensure_ascii=escaped).encode() + b"\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
old, hub, new = ollama.Client(url), huggingface_hub.InferenceClient(base_url=url + "/v1", api_key="k"), openai.OpenAI(base_url=url + "/v1", api_key="k")
clients = {
    "ollama": lambda: [line.message.content for line in old.chat(**asked)],
    "huggingface_hub": lambda: [chunk.choices[0].delta.content for chunk in hub.chat_completion(**asked)],
    "openai": lambda: [chunk.choices[0].delta.content for chunk in new.chat.completions.create(**asked)],
}
seen = {}
for escaped in (False, True):
    for name, read in clients.items():
        try:
            seen[name, escaped] = "".join(read()) == "a\u2028bc\u0085d"
        except json.JSONDecodeError as error:
            seen[name, escaped] = f"JSONDecodeError: {error}"
        print(f"{name}, {'escaped' if escaped else 'as they are'}: {seen[name, escaped]}")
wrong = {name for name in clients if seen[name, False] is not True}
raise SystemExit(0 if wrong == {"ollama", "huggingface_hub"} and all(seen[name, True] is True for name in clients) else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
