#!/bin/bash
# Surprise: the helper of OpenAI's Python client that gathers a stream joins every text of the deltas, not only the content: a
# server that repeats the role in each chunk gets it back as "assistantassistant", a repeated id or name of a tool call as
# "call_1call_1" and "looklook". LangChain and pydantic-ai join the name as well, and then know no such tool. OpenAI's Node helper
# and LiteLLM take the last one.
# Guess: role, id and name are set; content and arguments are joined.
# So: who passes on a stream sends role, id and name once.
# Seen with: openai 3.57.0, langchain-openai 1.7.4, pydantic-ai 2.68.0, litellm 1.110.2 for Python, openai 6.49.0 for Node, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install openai==3.57.0 langchain-openai==1.7.4 litellm==1.110.2 'pydantic-ai-slim[openai]==2.68.0'
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" openai@6.49.0)
cat > "$folder/try.mjs" <<'NODE'
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "k" });
const stream = client.chat.completions.stream({ model: "m", messages: [{ role: "user", content: "hi" }] });
const { message } = (await stream.finalChatCompletion()).choices[0];
console.log(JSON.stringify([message.role, message.tool_calls[0].id, message.tool_calls[0].function.name]));
NODE
cat > "$folder/try.py" <<'PYTHON'
import asyncio, http.server, json, logging, subprocess, sys, threading, warnings
warnings.filterwarnings("ignore")
import litellm, openai
from langchain_openai import ChatOpenAI
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.tools import ToolDefinition

litellm.suppress_debug_info = True
logging.disable(logging.CRITICAL)
SCHEMA = {"type": "object", "properties": {}}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}]
MESSAGES = [{"role": "user", "content": "hi"}]

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for arguments in ('{"x"', ":1}", None):
            call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}}
            delta = {"role": "assistant", "tool_calls": [call]} if arguments else {}
            choice = {"index": 0, "delta": delta, "finish_reason": None if arguments else "tool_calls"}
            event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.handle_error = lambda *_: None  # clients that hang up
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"

def helper():
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0).chat.completions.stream(model="m", messages=MESSAGES) as stream:
        message = stream.get_final_completion().choices[0].message
    return [message.role, message.tool_calls[0].id, message.tool_calls[0].function.name]

def node():
    return json.loads(subprocess.run(["node", sys.argv[1], url], capture_output=True, text=True, check=True).stdout)

def langchain():
    whole = None
    for piece in ChatOpenAI(base_url=url, api_key="k", model="m", max_retries=0).bind_tools(TOOLS).stream("hi"):
        whole = piece if whole is None else whole + piece
    return ["-", whole.tool_calls[0]["id"], whole.tool_calls[0]["name"]]

def pydantic_ai():
    async def read():
        model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key="k"))
        tools = ModelRequestParameters(function_tools=[ToolDefinition(name="look", parameters_json_schema=SCHEMA)])
        async with model.request_stream([ModelRequest(parts=[UserPromptPart("hi")])], None, tools) as stream:
            async for _ in stream:
                pass
            part = stream.get().parts[0]
            return ["-", part.tool_call_id, part.tool_name]
    return asyncio.run(read())

def through_litellm():
    chunks = list(litellm.completion(model="openai/m", api_base=url, api_key="k", messages=MESSAGES, tools=TOOLS, stream=True, num_retries=0))
    message = litellm.stream_chunk_builder(chunks, messages=MESSAGES).choices[0].message
    return [message.role, message.tool_calls[0].id, message.tool_calls[0].function.name]

seen = {client.__name__: client() for client in (helper, node, langchain, pydantic_ai, through_litellm)}
for client, (role, id_, name) in seen.items():
    print(f"{client}: role {role}, id {id_}, name {name}")
once = ["assistant", "call_1", "look"]
wanted = {"helper": ["assistantassistant", "call_1call_1", "looklook"], "node": once, "langchain": ["-", "call_1", "looklook"],
          "pydantic_ai": ["-", "call_1", "looklook"], "through_litellm": once}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
