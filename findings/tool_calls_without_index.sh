#!/bin/bash
# Surprise: two whole tool calls, each in a chunk of its own without `index`, as servers send them whose parser ends a call before
# it tells it: LiteLLM's stream builder makes one call of them, the last one's name with the arguments of both, one behind the
# other; OpenAI's Node helper drops both in silence, its Python helper raises TypeError. LangChain sees two.
# Guess: `id` tells the calls apart; `index` is for the pieces of one.
# So: who writes or passes on tool calls gives each its index.
# Seen with: litellm 1.110.2, openai 3.57.0 for Python, openai 6.49.0 for Node, langchain-openai 1.7.4, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install litellm==1.110.2 langchain-openai==1.7.4 openai==3.57.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" openai@6.49.0)
cat > "$folder/try.mjs" <<'NODE'
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "k" });
const stream = client.chat.completions.stream({ model: "m", messages: [{ role: "user", content: "hi" }] });
const { message } = (await stream.finalChatCompletion()).choices[0];
console.log(JSON.stringify((message.tool_calls ?? []).map(({ function: call }) => [call.name, call.arguments])));
NODE
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, logging, subprocess, sys, threading
import litellm, openai
from langchain_openai import ChatOpenAI

litellm.suppress_debug_info = True
logging.disable(logging.CRITICAL)
CALLS = (("call_1", "look", '{"x":1}'), ("call_2", "find", '{"y":2}'))
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}} for _, name, _ in CALLS]
MESSAGES = [{"role": "user", "content": "hi"}]
indexed = True

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        deltas = [{"role": "assistant", "content": None}]
        for place, (id_, name, arguments) in enumerate(CALLS):
            call = {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            deltas.append({"tool_calls": [{"index": place, **call} if indexed else call]})
        for delta in [*deltas, {}]:
            choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "tool_calls"}
            event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.handle_error = lambda *_: None  # clients that hang up
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"

def through_litellm():
    chunks = list(litellm.completion(model="openai/m", api_base=url, api_key="k", messages=MESSAGES, tools=TOOLS, stream=True, num_retries=0))
    return [[call.function.name, call.function.arguments] for call in litellm.stream_chunk_builder(chunks, messages=MESSAGES).choices[0].message.tool_calls]

def helper():
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0).chat.completions.stream(model="m", messages=MESSAGES) as stream:
        return [[call.function.name, call.function.arguments] for call in stream.get_final_completion().choices[0].message.tool_calls]

def node():
    return json.loads(subprocess.run(["node", sys.argv[1], url], capture_output=True, text=True, check=True).stdout)

def langchain():
    whole = None
    for piece in ChatOpenAI(base_url=url, api_key="k", model="m", max_retries=0).bind_tools(TOOLS).stream("hi"):
        whole = piece if whole is None else whole + piece
    return [[call["name"], json.dumps(call["args"], separators=(",", ":"))] for call in whole.tool_calls]

seen = {}
for indexed in (True, False):
    for client in (through_litellm, helper, node, langchain):
        try:
            seen[client.__name__, indexed] = client()
        except TypeError as error:
            seen[client.__name__, indexed] = type(error).__name__
        print(f"{client.__name__}, {'with' if indexed else 'without'} index: {seen[client.__name__, indexed]}")
two = [[name, arguments] for _, name, arguments in CALLS]
wanted = {"through_litellm": [["find", '{"x":1}{"y":2}']], "helper": "TypeError", "node": [], "langchain": two}
right = all(seen[name, True] == two and seen[name, False] == calls for name, calls in wanted.items())
raise SystemExit(0 if right else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
