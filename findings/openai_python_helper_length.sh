#!/bin/bash
# Surprise: `client.chat.completions.stream()` of OpenAI's Python client, the helper that gathers a stream, raises
# LengthFinishReasonError when an answer ends at `max_tokens`: also for plain text, without a `response_format` or a tool. Its
# `create(stream=True)` and the same helper of the Node client give the text that came.
# Guess: the text, and `finish_reason: length`; an error only where half a JSON had to be parsed.
# So: a program that "fails" with this helper has had a good answer; its text is in the error's `completion`.
# Seen with: openai 3.57.0 for Python, openai 6.49.0 for Node, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install openai==3.57.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" openai@6.49.0)
cat > "$folder/try.mjs" <<'NODE'
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "k" });
const stream = client.chat.completions.stream({ model: "m", messages: [{ role: "user", content: "hi" }] });
const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
console.log(`${message.content} ${finish_reason}`);
NODE
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, subprocess, sys, threading
import openai

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for delta, reason in (({"role": "assistant", "content": "a"}, None), ({}, "length")):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
client = openai.OpenAI(base_url=url, api_key="k")
asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

def helper():
    with client.chat.completions.stream(**asked) as stream:
        return stream.get_final_completion().choices[0].message.content

def plain():
    return "".join(choice.delta.content or "" for chunk in client.chat.completions.create(**asked, stream=True) for choice in chunk.choices)

seen = {"create": plain()}
try:
    seen["stream"] = helper()
except openai.LengthFinishReasonError as error:
    seen["stream"], seen["completion"] = type(error).__name__, error.completion.choices[0].message.content
seen["node"] = subprocess.run(["node", sys.argv[1], url], capture_output=True, text=True, check=True).stdout.strip()
print(seen)
wanted = {"create": "a", "stream": "LengthFinishReasonError", "completion": "a", "node": "a length"}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
