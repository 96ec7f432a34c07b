#!/bin/bash
# Surprise: LangChain joins the texts of `finish_reason` of several chunks: a stream that says "stop" twice ends by "stopstop".
# A chunk behind it that says null changes nothing, nor does it for OpenAI's own client.
# So: what has to be sent behind the chunk with the reason (llama.cpp's timings) says `"finish_reason":null`, and never
# repeats the reason.
# Seen with: langchain-openai 1.7.4, openai 3.57.0 for Python, 2026-11-29.
set -euo pipefail

LANGCHAIN=1.7.4
OPENAI=3.57.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install "langchain-openai==$LANGCHAIN" "openai==$OPENAI"
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, threading
import openai
from langchain_openai import ChatOpenAI

ends = []

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for delta, reason in [({"role": "assistant", "content": "hi"}, None), *[({}, end) for end in ends]]:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"

def langchain():
    pieces = list(ChatOpenAI(base_url=url, api_key="k", model="m", max_retries=0).stream("hi"))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    return whole.response_metadata.get("finish_reason")

def official():
    client = openai.OpenAI(base_url=url, api_key="k", max_retries=0)
    with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "hi"}]) as stream:
        return stream.get_final_completion().choices[0].finish_reason

seen = {}
for case in (["stop"], ["stop", "stop"], ["stop", None]):
    ends[:] = case
    seen[str(case)] = (langchain(), official())
print(seen)
wanted = {"['stop']": ("stop", "stop"), "['stop', 'stop']": ("stopstop", "stop"), "['stop', None]": ("stop", "stop")}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
