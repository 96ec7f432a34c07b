#!/bin/bash
# Surprise: a stream of huggingface_hub's InferenceClient lives only as long as the client that made it: in a function that makes a client
# and returns its stream, or in one line, the first read raises StreamClosed, "the stream has been closed". The same
# lines with a client that a variable holds on to work, and so do both with OpenAI's client.
# Guess: a stream keeps what it needs alive.
# So: it isn't the server, nor a gateway, that has hung up; keep the client.
# Seen with: huggingface_hub 2.4.0, openai 3.57.0 (Python 3.11), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install huggingface_hub==2.4.0 openai==3.57.0
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, threading
import huggingface_hub, openai

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        choices = [[{"index": 0, "delta": {"content": word}, "finish_reason": None}] for word in ("one ", "two ", "three")]
        chunks = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choice} for choice in choices]
        body = ("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n").encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}

def made(library):
    kind = huggingface_hub.InferenceClient if library is huggingface_hub else openai.OpenAI
    return kind(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="k")

def stream(library):
    client = made(library)
    return client.chat.completions.create(**asked)

def read(chunks):
    try:
        return "".join(chunk.choices[0].delta.content for chunk in chunks)
    except Exception as error:
        return type(error).__name__

seen = {}
for library in (huggingface_hub, openai):
    kept = made(library)
    seen[library.__name__] = [read(kept.chat.completions.create(**asked)), read(stream(library)), read(made(library).chat.completions.create(**asked))]
    print(f"{library.__name__}: a client that is kept, one in a function that returns the stream, one in the same line: {seen[library.__name__]}")
wanted = {"huggingface_hub": ["one two three", "StreamClosed", "StreamClosed"], "openai": ["one two three"] * 3}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
