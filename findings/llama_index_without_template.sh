#!/bin/bash
# Surprise: LlamaIndex's class for servers with OpenAI's API, OpenAILike, sends `chat(...)` to /v1/completions unless it is told `is_chat_model=True`: as
# a text of its own, "system: ...\nuser: ...\nassistant: ". The model's chat template isn't used, and nothing says so. Its temperature
# is 0.1 when none was given, in both.
# Guess: `chat` asks /v1/chat/completions, with the server's temperature.
# So: `is_chat_model=True`; requests to /v1/completions in the books of a chat model come from there.
# Seen with: llama-index-llms-openai-like 0.8.1, llama-index-core 0.14.25 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile llama-index-llms-openai-like==0.8.1 llama-index-llms-openai==0.8.3 llama-index-core==0.14.25
cat > "$folder/try.py" <<'PYTHON'
import http.server, importlib.metadata, json, threading
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

asked = []

class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        asked.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
        chat = "chat" in self.path
        choice = {"index": 0, "finish_reason": "stop", **({"message": {"role": "assistant", "content": "hello"}} if chat else {"text": "hello"})}
        body = json.dumps({"id": "1", "object": "chat.completion" if chat else "text_completion", "created": 1, "model": "m", "choices": [choice],
                           "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print({name: importlib.metadata.version(name) for name in ("llama-index-llms-openai-like", "llama-index-core")})
for more in ({}, {"is_chat_model": True}):
    OpenAILike(model="m", api_base=f"http://127.0.0.1:{server.server_port}/v1", api_key="k", **more).chat(
        [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="hi")])
    path, body = asked[-1]
    print(f"{more or 'as it comes'}: {path}, {body.get('prompt') or body.get('messages')!r}, temperature {body.get('temperature')}")
(plain, text), (chat, messages) = asked
right = plain == "/v1/completions" and text["prompt"] == "system: Be brief.\nuser: hi\nassistant: " and text["temperature"] == messages["temperature"] == 0.1
raise SystemExit(0 if right and chat == "/v1/chat/completions" and [message["role"] for message in messages["messages"]] == ["system", "user"] else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
