#!/bin/bash
# Surprise: a server with starlette-context's RequestIdPlugin, as llama-cpp-python's (0.3.36) is, answers a request whose `X-Request-Id` is no UUID
# by 400 without a body and without a word in its log, whatever it asks for. 32 hexadecimal digits are one, of any version.
# Guess: the id of a request is any text, and what can't be used is replaced.
# So: a proxy that makes ids of another form, or passes those of its clients, gets nothing else from this server.
# Seen with: starlette-context 0.3.6, starlette 1.10.0, uvicorn 0.54.0 (Python); llama-cpp-python 0.3.36 itself takes a quarter of an hour to
# compile, and did the same, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install starlette-context==0.3.6 starlette==1.10.0 uvicorn==0.54.0
cat > "$folder/try.py" <<'PYTHON'
import http.client, socket, threading, time
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette_context.middleware import RawContextMiddleware
from starlette_context.plugins import RequestIdPlugin

async def hello(request):
    return PlainTextResponse("hello")

# As llama_cpp/server/app.py has it.
app = Starlette(routes=[Route("/", hello)], middleware=[Middleware(RawContextMiddleware, plugins=(RequestIdPlugin(),))])
listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
while not server.started:
    time.sleep(0.05)

def answered(request_id):
    client = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1])
    client.request("GET", "/", headers={} if request_id is None else {"X-Request-Id": request_id})
    answer = client.getresponse()
    return answer.status, answer.read()

IDS = [None, "6f1f7d0e-3a8e-4c3e-9d7b-0f1d2a3b4c5d", "6f1f7d0e3a8e4c3e9d7b0f1d2a3b4c5d", "0" * 32, "6f1f7d0e3a8e4c3e9d7b", "order-17"]
seen = [answered(request_id) for request_id in IDS]
for request_id, (status, body) in zip(IDS, seen):
    print(f"{request_id}: {status} {body}")
raise SystemExit(0 if seen == [(200, b"hello")] * 4 + [(400, b"")] * 2 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
