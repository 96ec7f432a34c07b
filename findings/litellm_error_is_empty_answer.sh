#!/bin/bash
# Surprise: a stream was asked for, and the server answers one JSON object with status 200: `{"error": ...}`, as some do, or a
# whole answer. LiteLLM's `openai/` makes of both an answer without text that ended by `stop`, with a usage of its own;
# Hugging Face's and Groq's Python clients a stream without chunks. None raises, the error's words are lost. LiteLLM's
# `hosted_vllm/` tells the error.
# Guess: the error is raised; the whole answer is raised or comes as a single chunk.
# So: an error needs a status of its own, or an event; a server that can't stream must say so by 4xx.
# Seen with: litellm 1.110.2, huggingface_hub 2.4.0, groq 1.7.0 for Python, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install litellm==1.110.2 groq==1.7.0
python3 -m venv "$folder/hub"
"$folder/hub/bin/pip" --disable-pip-version-check --quiet install huggingface_hub==2.4.0
cat > "$folder/server.py" <<'PYTHON'
import http.server, json, threading

ERROR = {"error": {"message": "no such voice", "type": "server_error", "code": 500}}
WHOLE = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": {"prompt_tokens": 70, "completion_tokens": 2, "total_tokens": 72},
         "choices": [{"index": 0, "message": {"role": "assistant", "content": "a text"}, "finish_reason": "stop"}]}

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        assert json.loads(self.rfile.read(int(self.headers["content-length"])))["stream"]
        body = json.dumps(ERROR if self.path.startswith("/error") else WHOLE).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

def attempt(name, ask):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen = []
    for case in ("error", "whole"):
        try:
            seen.append(ask(f"http://127.0.0.1:{server.server_port}/{case}"))
        except Exception as error:
            seen.append(f"raised {'its words' if 'no such voice' in str(error) else type(error).__name__}")
    print(f"{name}: an error {seen[0]}, a whole answer {seen[1]}", flush=True)
    return seen
PYTHON
cat > "$folder/hub.py" <<'PYTHON'
from huggingface_hub import InferenceClient
from server import attempt

def ask(url):
    client = InferenceClient(base_url=url + "/v1", api_key="k")
    return f"{len(list(client.chat_completion([{'role': 'user', 'content': 'hi'}], model='m', stream=True)))} chunks"

raise SystemExit(0 if attempt("huggingface_hub", ask) == ["0 chunks", "0 chunks"] else 1)
PYTHON
cat > "$folder/try.py" <<'PYTHON'
import logging
import groq, litellm
from server import attempt

litellm.suppress_debug_info = True
logging.disable(logging.CRITICAL)
MESSAGES = [{"role": "user", "content": "hi"}]

def through_litellm(provider):
    def ask(url):
        chunks = list(litellm.completion(model=provider + "/m", api_base=url + "/v1", api_key="k", messages=MESSAGES, stream=True, num_retries=0))
        choice = litellm.stream_chunk_builder(chunks, messages=MESSAGES).choices[0]
        return f"{choice.message.content!r} {choice.finish_reason}"
    return ask

def through_groq(url):
    chunks = groq.Groq(base_url=url, api_key="k", max_retries=0).chat.completions.create(model="m", messages=MESSAGES, stream=True)
    return f"{len(list(chunks))} chunks"

right = attempt("litellm openai/", through_litellm("openai")) == ["'' stop", "'' stop"]
right &= attempt("litellm hosted_vllm/", through_litellm("hosted_vllm"))[0] == "raised its words"
right &= attempt("groq", through_groq) == ["0 chunks", "0 chunks"]
raise SystemExit(0 if right else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py" && "$folder/hub/bin/python" "$folder/hub.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
