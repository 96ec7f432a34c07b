#!/bin/bash
# Surprise: pydantic-ai says that a stream which breaks off in the middle, without a `finish_reason`, ended by "stop": the answer looks
# whole, with 0 tokens of usage. Its profile has a switch for it (`openai_chat_streaming_requires_finish_reason`), off by default.
# OpenAI's client says None, and the AI SDK for Node an error.
# Guess: an error, or no reason.
# So: a server or proxy whose backend dies in a stream has to say so by an event; a closed connection tells nothing to this client.
# Seen with: pydantic-ai 2.68.0, openai 3.57.0 for Python, ai 6.0.326 with @ai-sdk/openai-compatible 2.0.92 for Node, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install 'pydantic-ai-slim[openai]==2.68.0' openai==3.57.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" ai@6.0.326 @ai-sdk/openai-compatible@2.0.92)
cat > "$folder/try.mjs" <<'NODE'
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText } from "ai";
const model = createOpenAICompatible({ name: "local", baseURL: process.argv[2], apiKey: "k" })("m");
const result = streamText({ model, messages: [{ role: "user", content: "hi" }], maxRetries: 0, onError: () => {} });
for await (const _ of result.textStream);
console.log(await result.finishReason);
NODE
cat > "$folder/try.py" <<'PYTHON'
import asyncio, http.server, json, subprocess, sys, threading
import openai
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        choice = {"index": 0, "delta": {"role": "assistant", "content": "half of a"}, "finish_reason": None}
        event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")  # and that is all

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"

async def pydantic_ai():
    model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key="k"))
    async with model.request_stream([ModelRequest(parts=[UserPromptPart("hi")])], None, ModelRequestParameters()) as stream:
        async for _ in stream:
            pass
        answer = stream.get()
        return answer.finish_reason, answer.usage.output_tokens

chunks = openai.OpenAI(base_url=url, api_key="k").chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
seen = {"pydantic-ai": asyncio.run(pydantic_ai()), "openai": [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1]}
seen["AI SDK"] = subprocess.run(["node", sys.argv[1], url], capture_output=True, text=True, check=True).stdout.strip()
print(f"the reason of an end that never came: {seen}")
raise SystemExit(0 if seen == {"pydantic-ai": ("stop", 0), "openai": None, "AI SDK": "error"} else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
