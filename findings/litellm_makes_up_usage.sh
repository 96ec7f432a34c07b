#!/bin/bash
# Surprise: when a server sends no usage, LiteLLM makes one up for a stream with `include_usage`, counted by a tokenizer of OpenAI's, whatever the
# model, and nothing says that it is a guess: 8 and 3 tokens for "hi" and three words. For a plain answer it says 0 and 0. OpenAI's client
# says None to both.
# Guess: None for what isn't known, or the same for both.
# So: a usage from LiteLLM is a count only if the server sent one; compare with the server's own ledger.
# Seen with: litellm 1.110.2, openai 3.57.0 (Python), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install litellm==1.110.2 openai==3.57.0
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, logging, threading
import litellm, openai

litellm.suppress_debug_info = True
logging.disable(logging.CRITICAL)
sent = []

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        stream = json.loads(self.rfile.read(int(self.headers["content-length"]))).get("stream")
        head = {"id": "c", "created": 1, "model": "m"}
        if stream:
            deltas = [({"role": "assistant", "content": "one two three"}, None), ({}, "stop")]
            chunks = [{**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas]
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        else:
            body = json.dumps({**head, "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "one two three"}, "finish_reason": "stop"}]})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if stream else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
messages = [{"role": "user", "content": "hi"}]
options = {"stream": True, "stream_options": {"include_usage": True}}

def of(usage):
    return usage and (usage.prompt_tokens, usage.completion_tokens)

def last(chunks):
    return of(([getattr(chunk, "usage", None) for chunk in chunks if getattr(chunk, "usage", None)] or [None])[-1])

client = openai.OpenAI(base_url=url, api_key="k", max_retries=0)
ask = lambda **more: litellm.completion(model="openai/m", api_base=url, api_key="k", messages=messages, **more)
seen = {"openai, stream": last(client.chat.completions.create(model="m", messages=messages, **options)), "litellm, stream": last(ask(**options)),
        "openai, plain": of(client.chat.completions.create(model="m", messages=messages).usage), "litellm, plain": of(ask().usage)}
print(f"the server sends no usage; (prompt, completion) tokens: {seen}")
raise SystemExit(0 if seen == {"openai, stream": None, "litellm, stream": (8, 3), "openai, plain": None, "litellm, plain": (0, 0)} else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
