#!/bin/bash
# Surprise: LangChain, pydantic-ai, smolagents and Agno add up the `usage` of all chunks of a stream. A server that tells the count
# so far in each chunk (vLLM with `continuous_usage_stats`), or puts it in the chunk with the reason of the end and once more in
# a last one, makes a chat of 13 tokens one of 49, or 26. OpenAI's own client, LiteLLM and the AI SDK take the last one.
# Guess: the last usage of a stream is the usage of the stream.
# So: who adds a usage event to a stream looks first whether there is one; what such a client counts is no measure of a bill.
# Seen with: langchain-openai 1.7.4, pydantic-ai 2.68.0, smolagents 1.26.0, agno 3.1.10, openai 3.57.0 for Python, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install langchain-openai==1.7.4 'pydantic-ai-slim[openai]==2.68.0' \
  'smolagents[openai]==1.26.0' agno==3.1.10 openai==3.57.0
cat > "$folder/try.py" <<'PYTHON'
import asyncio, http.server, json, threading, warnings
warnings.filterwarnings("ignore")
import openai
from agno.agent import Agent
from agno.models.openai.like import OpenAILike
from langchain_openai import ChatOpenAI
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from smolagents import ChatMessage, OpenAIServerModel
from smolagents.models import agglomerate_stream_deltas

# What the server says after each piece of its answer, in tokens written so far; None: nothing.
COUNTS = {"once, at the end": (None, None, None, 3), "in each chunk": (1, 2, 3, 3), "at the end, twice": (None, None, 3, 3)}

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        pieces = ({"role": "assistant", "content": "a"}, {"content": "b"}, {}, None)
        for piece, count in zip(pieces, COUNTS[told]):
            choices = [] if piece is None else [{"index": 0, "delta": piece, "finish_reason": None if piece else "stop"}]
            event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
            if count:
                event["usage"] = {"prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"

def official():
    chunks = openai.OpenAI(base_url=url, api_key="k").chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
    return [chunk.usage for chunk in chunks if chunk.usage][-1].total_tokens

def langchain():
    whole = None
    for piece in ChatOpenAI(base_url=url, api_key="k", model="m", stream_usage=True).stream("hi"):
        whole = piece if whole is None else whole + piece
    return whole.usage_metadata["total_tokens"]

def pydantic_ai():
    async def read():
        model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key="k"))
        async with model.request_stream([ModelRequest(parts=[UserPromptPart("hi")])], None, ModelRequestParameters()) as stream:
            async for _ in stream:
                pass
            return stream.usage.total_tokens if not callable(stream.usage) else stream.usage().total_tokens
    return asyncio.run(read())

def smolagents():
    model = OpenAIServerModel("m", api_base=url, api_key="k")
    return agglomerate_stream_deltas(list(model.generate_stream([ChatMessage(role="user", content="hi")]))).token_usage.total_tokens

def agno():
    agent = Agent(model=OpenAILike(id="m", base_url=url, api_key="k"), telemetry=False)
    return list(agent.run("hi", stream=True, stream_events=True))[-1].metrics.total_tokens

clients = (official, langchain, pydantic_ai, smolagents, agno)
seen = {}
for told in COUNTS:
    seen[told] = [client() for client in clients]
    print(f"usage {told}: " + ", ".join(f"{client.__name__} {total}" for client, total in zip(clients, seen[told])))
wanted = {"once, at the end": [13] * 5, "in each chunk": [13] + [49] * 4, "at the end, twice": [13] + [26] * 4}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if AGNO_TELEMETRY=false "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
