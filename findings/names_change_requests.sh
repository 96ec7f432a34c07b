#!/bin/bash
# Surprise: clients change a request by the model's name, on any server: called `gpt-5`, `gpt-5-codex` or `o3-mini`, which an alias of a local model may well
# be, the model doesn't get the program's temperature any more (LangChain in Python for gpt-5, pydantic-ai, the AI SDK's @ai-sdk/openai), the role system
# becomes `developer`, which many chat templates don't know (LangChain, the AI SDK), or the request goes to /v1/responses (LangChain for gpt-5-codex).
# LiteLLM refuses `top_p` before anything is sent. Called `qwen` or `gpt-4`, it gets what the program said.
# Guess: a base URL of one's own means: what the program says is sent.
# So: no alias that looks like one of OpenAI's models that think; other temperatures and prompts under another name are the sign.
# Seen with: langchain-openai 1.7.4, pydantic-ai-slim 2.68.0, litellm 1.110.2 (Python), @langchain/openai 1.5.8, @ai-sdk/openai 3.0.141 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile langchain-openai==1.7.4 'pydantic-ai-slim[openai]==2.68.0' litellm==1.110.2
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" @langchain/openai@1.5.8 @langchain/core@1.4.0 ai@6.0.326 @ai-sdk/openai@3.0.141)
cat > "$folder/try.mjs" <<'NODE'
import { ChatOpenAI } from "@langchain/openai";
import { generateText } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
const [baseURL, client, model] = process.argv.slice(2);
const apiKey = "none", maxRetries = 0, temperature = 0.2, topP = 0.9;
globalThis.AI_SDK_LOG_WARNINGS = false;
if (client === "langchain") await new ChatOpenAI({ configuration: { baseURL }, apiKey, model, temperature, topP, maxRetries }).invoke([["system", "Be brief."], ["human", "hi"]]);
else await generateText({ model: createOpenAI({ baseURL, apiKey }).chat(model), system: "Be brief.", prompt: "hi", temperature, topP, maxRetries });
NODE
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, os, subprocess, sys, threading

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
from langchain_openai import ChatOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

CHAT = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
TEXT = {"type": "message", "id": "x", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "hi", "annotations": []}]}
RESPONSE = {"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [TEXT], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}}
came = []

class Engine(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = [self.path.rsplit("/v1/")[-1], next(iter(asked.get("messages") or asked.get("input")))["role"]]
        words += [name for name in ("temperature", "top_p") if name in asked]
        came.append(", ".join(words))
        body = json.dumps(RESPONSE if "responses" in self.path else CHAT).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_address[1]}/v1"
at = {"temperature": 0.2, "top_p": 0.9}

def node(client):
    return lambda model: subprocess.run(["node", sys.argv[1] + "/try.mjs", address, client, model], check=True, capture_output=True)

CLIENTS = {
    "langchain-openai": lambda model: ChatOpenAI(base_url=address, api_key="none", model=model, max_retries=0, **at).invoke([("system", "Be brief."), ("human", "hi")]),
    "pydantic-ai": lambda model: Agent(OpenAIChatModel(model, provider=OpenAIProvider(base_url=address, api_key="none")), system_prompt="Be brief.", model_settings=at).run_sync("hi"),
    "litellm": lambda model: litellm.completion(f"openai/{model}", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}], api_base=address, api_key="none", **at),
    "@langchain/openai": node("langchain"),
    "@ai-sdk/openai": node("ai"),
}
SAID = "chat/completions, system, temperature, top_p"
DEVELOPER = "chat/completions, developer, temperature, top_p"
WANTED = {
    "qwen": [SAID] * 5,
    "gpt-4": [SAID] * 5,
    "gpt-5": ["chat/completions, system, top_p", "chat/completions, system", "UnsupportedParamsError", DEVELOPER, "chat/completions, developer"],
    "gpt-5-codex": ["responses, system, top_p", "chat/completions, system", "UnsupportedParamsError", DEVELOPER.replace("chat/completions", "responses"), "chat/completions, developer"],
    "o3-mini": [DEVELOPER, "chat/completions, system", "UnsupportedParamsError", DEVELOPER, "chat/completions, developer"],
}
right = True
for model, wanted in WANTED.items():
    seen = []
    for name, ask in CLIENTS.items():
        try:
            ask(model)
            seen.append(came[-1])
        except litellm.UnsupportedParamsError as error:
            seen.append(type(error).__name__)
        if model in ("qwen", "gpt-4") and seen[-1] == SAID:
            continue
        print(f"{model}, {name}: {seen[-1]}")
    if seen == [SAID] * 5:
        print(f"{model}, all five: {SAID}")
    right &= seen == wanted
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder" 2> "$folder/errors"; then
  echo "still so"
else
  tail -n 5 "$folder/errors"
  echo "it has changed: adapt what relies on it"
  exit 1
fi
