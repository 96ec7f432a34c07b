#!/bin/bash
# Surprise: where an event of a stream has a name, even `event: message`, the name that an event without one has, Groq's Python
# client wraps it: each chunk has `choices` None, and a loop over them raises TypeError. OpenAI's client, of the same generator,
# reads it. LiteLLM's `hosted_vllm/` gives the text, but loses the usage and puts a count of its own in its place.
# Guess: `event: message` changes nothing.
# So: a server of OpenAI's chat sends bare `data:` lines; a name is for errors only, whose events all three raise.
# Seen with: groq 1.7.0, litellm 1.110.2, openai 3.57.0 for Python, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install groq==1.7.0 litellm==1.110.2 openai==3.57.0
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, logging, threading
import groq, litellm, openai

litellm.suppress_debug_info = True
logging.disable(logging.CRITICAL)
name = error = False

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for delta, reason, usage in (({"role": "assistant", "content": "a"}, None, None), ({}, "stop", None), (None, None, 70)):
            choices = [{"index": 0, "delta": delta, "finish_reason": reason}] if delta is not None else []
            event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
            if usage:
                event["usage"] = {"prompt_tokens": usage, "completion_tokens": 1, "total_tokens": usage + 1}
            self.wfile.write((b"event: message\n" if name else b"") + b"data: " + json.dumps(event).encode() + b"\n\n")
            if error:
                self.wfile.write(b'event: error\ndata: {"error":{"message":"gone"}}\n\n')
                return
        self.wfile.write((b"event: message\n" if name else b"") + b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
asked = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
clients = {
    "groq": lambda: groq.Groq(base_url=url, api_key="k", max_retries=0).chat.completions.create(model="m", **asked),
    "litellm": lambda: litellm.completion(model="hosted_vllm/m", api_base=url + "/v1", api_key="k", num_retries=0, stream_options={"include_usage": True}, **asked),
    "openai": lambda: openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0).chat.completions.create(model="m", **asked),
}

def read(chunks):
    text, prompt = "", None
    try:
        for chunk in chunks():
            if chunk.choices is None:
                return f"choices None, text under {sorted(chunk.model_extra)}"
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            prompt = chunk.usage.prompt_tokens if getattr(chunk, "usage", None) else prompt
    except Exception as raised:
        return "raised" if "gone" in str(raised) else str(raised)
    return text, prompt

seen = {}
for case in ("bare", "named", "error"):
    name, error = case == "named", case == "error"
    seen[case] = {client: read(chunks) for client, chunks in clients.items()}
    print(f"{case}: {seen[case]}")
right = all(answer == ("a", 70) for answer in seen["bare"].values()) and seen["named"]["openai"] == ("a", 70)
right &= seen["named"]["groq"].startswith("choices None") and seen["named"]["litellm"][0] == "a" and seen["named"]["litellm"][1] not in (70, None)
raise SystemExit(0 if right and set(seen["error"].values()) == {"raised"} else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
