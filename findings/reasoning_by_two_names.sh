#!/bin/bash
# Surprise: what a model thinks comes as `reasoning_content` (llama.cpp, DeepSeek) or as `reasoning` (newer vLLM, OpenRouter), and clients
# that are made for other servers too read one of them only: LangChain for Node the first, OpenAI's Agents SDK for Node and
# together the second; LangChain for Python and Haystack read neither. An answer that sends both names is heard twice in the
# events of OpenAI's Agents SDK for Python, and once in its end.
# Guess: who reads it at all reads both, and either once.
# So: the same model thinks or doesn't, as it seems, by the engine that serves it; sending both names isn't the way out.
# Seen with: openai-agents 0.24.0, langchain-openai 1.7.4, haystack-ai 3.4.1, together 3.1.1, pydantic-ai-slim 2.68.0 (Python), @langchain/openai 1.5.8,
# @openai/agents 0.20.0, ai 6.0.326 with @ai-sdk/openai-compatible 2.0.92 (Node), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install openai==3.57.0 openai-agents==0.24.0 langchain-openai==1.7.4 \
  langchain-core==1.8.3 haystack-ai==3.4.1 together==3.1.1 'pydantic-ai-slim[openai]==2.68.0'
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" @langchain/openai@1.5.8 @langchain/core@1.4.0 @openai/agents@0.20.0 \
  openai@6.49.0 ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 zod@4.6.7)
cat > "$folder/try.mjs" <<'NODE'
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { OpenAIChatCompletionsModel, setTracingDisabled } from "@openai/agents";
import { streamText } from "ai";
import OpenAI from "openai";
setTracingDisabled(true);
const heard = {};
for (const names of JSON.parse(process.argv[3])) {
  const baseURL = `${process.argv[2]}/${names}`;
  const words = (whole) => JSON.stringify(whole ?? "").split("deep").length - 1;
  let chain;
  for await (const chunk of await new ChatOpenAI({ model: "m", apiKey: "k", maxRetries: 0, configuration: { baseURL } }).stream("hi")) chain = chain ? chain.concat(chunk) : chunk;
  const model = new OpenAIChatCompletionsModel(new OpenAI({ baseURL, apiKey: "k", maxRetries: 0 }), "m");
  const asked = { input: "hi", modelSettings: {}, tools: [], outputType: "text", handoffs: [], tracing: false };
  let end;
  for await (const event of model.getStreamedResponse(asked)) if (event.type === "response_done") end = event.response.output;
  const sdk = streamText({ model: createOpenAICompatible({ name: "x", baseURL, apiKey: "k" })("m"), prompt: "hi", maxRetries: 0 });
  heard[names] = { "LangChain (Node)": words([chain.content, chain.additional_kwargs]), "OpenAI Agents (Node)": words(end), "AI SDK (Node)": words(await sdk.reasoningText) };
}
console.log(JSON.stringify(heard));
NODE
cat > "$folder/try.py" <<'PYTHON'
import asyncio, http.server, json, subprocess, sys, threading
import agents, haystack.utils, openai, together
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from langchain_openai import ChatOpenAI
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

NAMES = ["reasoning_content", "reasoning", "reasoning_content+reasoning"]

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        deltas = [{"role": "assistant", "content": ""}, dict.fromkeys(self.path.split("/")[1].split("+"), "deep"), {"content": "42"}, {}]
        choices = [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"} for delta in deltas]
        chunks = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]} for choice in choices]
        body = ("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n").encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
agents.set_tracing_disabled(True)

async def by_agents(address):
    model = agents.OpenAIChatCompletionsModel("m", openai.AsyncOpenAI(base_url=address, api_key="k", max_retries=0))
    events, end = "", None
    async for event in model.stream_response(None, "hi", agents.ModelSettings(), [], None, [], agents.ModelTracing.DISABLED, previous_response_id=None, conversation_id=None, prompt=None):
        events += event.delta if "reasoning" in event.type and event.type.endswith("delta") else ""
        end = event.response.output if event.type == "response.completed" else end
    return events.count("deep"), min(1, repr(end).count("deep"))

async def by_pydantic(address):
    model = OpenAIChatModel("m", provider=OpenAIProvider(openai_client=openai.AsyncOpenAI(base_url=address, api_key="k", max_retries=0)))
    async with model_request_stream(model, [ModelRequest.user_text_prompt("hi")]) as stream:
        async for _ in stream:
            pass
        return "".join(part.content for part in stream.get().parts if type(part).__name__ == "ThinkingPart").count("deep")

def heard(names):
    address, whole = f"{url}/{names}", None
    for chunk in ChatOpenAI(model="m", base_url=address, api_key="k", max_retries=0).stream("hi"):
        whole = chunk if whole is None else whole + chunk
    key = haystack.utils.Secret.from_token("k")
    reply = OpenAIChatGenerator(model="m", api_base_url=address, api_key=key, max_retries=0, streaming_callback=lambda _: None).run([ChatMessage.from_user("hi")])["replies"][0]
    chunks = together.Together(base_url=address, api_key="k", max_retries=0).chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
    return {"LangChain": repr(whole).count("deep"), "Haystack": repr(reply).count("deep"), "pydantic-ai": asyncio.run(by_pydantic(address)),
            "together": "".join(getattr(chunk.choices[0].delta, "reasoning", None) or "" for chunk in chunks).count("deep"),
            "OpenAI Agents, events and end": asyncio.run(by_agents(address))}

node = json.loads(subprocess.run(["node", sys.argv[1], url, json.dumps(NAMES)], capture_output=True, text=True, check=True).stdout)
seen = {names: heard(names) | node[names] for names in NAMES}
for names in NAMES:
    print(f"{names}, how often it is heard: {seen[names]}")
clients = ["LangChain", "Haystack", "pydantic-ai", "together", "OpenAI Agents, events and end", "LangChain (Node)", "OpenAI Agents (Node)", "AI SDK (Node)"]
wanted = [dict(zip(clients, row)) for row in ([0, 0, 1, 0, (1, 1), 1, 0, 1], [0, 0, 1, 1, (1, 1), 0, 1, 1], [0, 0, 1, 1, (2, 1), 1, 1, 1])]
raise SystemExit(0 if [seen[names] for names in NAMES] == wanted else 1)
PYTHON
if HAYSTACK_TELEMETRY_ENABLED=False LANGSMITH_TRACING=false "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
