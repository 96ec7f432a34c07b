#!/bin/bash
# Surprise: a tool call whose arguments were cut at `max_tokens`, or whose stream just ended, is a whole one for LangChain when it came as a
# stream: what is open in the JSON is closed for it. `{"path":"/srv/data/old` becomes path "/srv/data/old", 12 of 1250
# becomes 12, an argument that hadn't begun is left out; nothing stands in `invalid_tool_calls`, and an agent runs the tool with it.
# Guess: as without a stream, where it is an invalid call that isn't run; so do AI SDK, Haystack and others.
# So: ask for `finish_reason` before a tool runs that does harm; a context that is nearly full makes such calls.
# Seen with: langchain-openai 1.7.4, langchain 1.5.2, langgraph 1.2.24 (Python), @langchain/openai 1.5.8 (Node), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install langchain-openai==1.7.4 langchain-core==1.8.3 langchain==1.5.2 langgraph==1.2.24
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" @langchain/openai@1.5.8 @langchain/core@1.4.0)
cat > "$folder/try.mjs" <<'NODE'
import { ChatOpenAI } from "@langchain/openai";
const model = new ChatOpenAI({ model: "m", apiKey: "k", maxRetries: 0, configuration: { baseURL: process.argv[2] } });
let whole;
for await (const chunk of await model.stream("hi")) whole = whole ? whole.concat(chunk) : chunk;
console.log(JSON.stringify([whole.tool_calls.map((call) => call.args), whole.invalid_tool_calls.length]));
NODE
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, subprocess, sys, threading
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

CUT = '{"path":"/srv/data/old'
WANTED = {"path": "/srv/data/old"}

def parts(asked):
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "remove", "arguments": CUT}}
    if any(message["role"] == "tool" for message in asked["messages"]):
        said, reason = {"role": "assistant", "content": "done"}, "stop"
    else:
        said, reason = {"role": "assistant", "content": None, "tool_calls": [call]}, "length"
    head = {"id": "c", "created": 1, "model": "m"}
    if not asked.get("stream"):
        return json.dumps({**head, "object": "chat.completion", "choices": [{"index": 0, "message": said, "finish_reason": reason}]})
    chunks = [{**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in ((said, None), ({}, reason))]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = parts(asked).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if asked.get("stream") else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
ran = []

@tool
def remove(path: str) -> str:
    """Removes a folder."""
    ran.append(path)
    return "removed"

model = ChatOpenAI(model="m", base_url=url, api_key="k", max_retries=0)
plain, whole = model.invoke("hi"), None
for chunk in model.stream("hi"):
    whole = chunk if whole is None else whole + chunk
for _ in create_agent(model, [remove]).stream({"messages": [{"role": "user", "content": "hi"}]}, stream_mode="messages"):
    pass
node, invalid = json.loads(subprocess.run(["node", sys.argv[1], url], capture_output=True, text=True, check=True).stdout)
calls = [call["args"] for call in whole.tool_calls]
print(f"arguments that came: {CUT}, finish_reason length")
print(f"plain: {len(plain.tool_calls)} calls, {len(plain.invalid_tool_calls)} invalid")
print(f"stream: calls {calls}, {len(whole.invalid_tool_calls)} invalid, finish_reason {whole.response_metadata['finish_reason']}; in Node {node}, {invalid} invalid")
print(f"an agent that streams ran the tool with {ran}")
right = not plain.tool_calls and len(plain.invalid_tool_calls) == 1 and calls == node == [WANTED] and not whole.invalid_tool_calls and invalid == 0 and ran == [WANTED["path"]]
raise SystemExit(0 if right else 1)
PYTHON
if LANGSMITH_TRACING=false "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
