#!/bin/bash
# Surprise: Mistral's own client can't read a tool call that comes in pieces, as OpenAI's API and llama.cpp stream it: each piece has to
# name the function, so the second one ends the stream with ResponseValidationError.
# Guess: the `tool_calls` of a delta are OpenAI's, whose form Mistral's API follows otherwise.
# So: with this client tools work without `stream`, or with servers that send a call whole.
# Seen with: mistralai 3.7.0 for Python, openai 3.57.0 for Python, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install mistralai==3.7.0 openai==3.57.0
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, threading
import openai
from mistralai.client import Mistral

WHOLE = [{"name": "look", "arguments": '{"x":1}'}]
PIECES = [{"name": "look", "arguments": ""}, {"arguments": '{"x":1}'}]
sent = []

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if asked.get("stream") else "application/json")
        self.end_headers()
        about = {"id": "1", "created": 1, "model": "m"}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": WHOLE[0]}]}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
            self.wfile.write(json.dumps({**about, "object": "chat.completion", "choices": choices, "usage": usage}).encode())
            return
        for place, function in enumerate(sent):
            call = {"index": 0, "function": function, **({} if place else {"id": "call_1", "type": "function"})}
            choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
            self.wfile.write(b"data: " + json.dumps({**about, "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.handle_error = lambda *_: None  # clients that hang up
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
mistral, official = Mistral(server_url=url, api_key="k"), openai.OpenAI(base_url=url + "/v1", api_key="k")

def of_mistral():
    try:
        return "".join(event.data.choices[0].delta.tool_calls[0].function.arguments for event in mistral.chat.stream(**asked))
    except Exception as error:
        return type(error).__name__

def of_openai():
    return "".join(chunk.choices[0].delta.tool_calls[0].function.arguments for chunk in official.chat.completions.create(**asked, stream=True))

seen = {"not streamed": mistral.chat.complete(**asked).choices[0].message.tool_calls[0].function.arguments}
for name, sent in (("whole", WHOLE), ("in pieces", PIECES)):
    seen[name] = of_mistral(), of_openai()
print(f"arguments: {seen}")
wanted = {"not streamed": '{"x":1}', "whole": ('{"x":1}', '{"x":1}'), "in pieces": ("ResponseValidationError", '{"x":1}')}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
