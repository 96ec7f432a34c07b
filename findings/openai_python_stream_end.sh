#!/bin/bash
# Surprise: OpenAI's Python client hangs up at `data: [DONE]`, without waiting for the end of the body. A server that sends
# the last chunk a moment later sees a client that leaves in the middle of an answer, and the connection is never used
# again.
# So: a stream whose `[DONE]` was sent is whole, however its connection ends.
# Seen with: openai 3.54.0 for Python, 2026-11-28.
set -euo pipefail

VERSION=3.54.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install "openai==$VERSION"
cat > "$folder/try.py" <<'PYTHON'
import json, socket, threading, time
import openai

seen = []

def serve(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()

def answer(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    head, body = request.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += connection.recv(65536)
    def chunk(text):
        connection.sendall(b"%x\r\n%s\r\n" % (len(text), text))
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
             "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    chunk(b"data: " + json.dumps(event).encode() + b"\n\n")
    chunk(b"data: [DONE]\n\n")
    sent = time.monotonic()
    # Nothing more is asked on a connection whose answer hasn't ended: if it can be read from now, the client has gone.
    connection.settimeout(1)
    try:
        rest = connection.recv(1)
        seen.append(f"the client hung up {'at once' if time.monotonic() - sent < 0.5 else 'late'}" if rest == b"" else "it asked")
    except TimeoutError:
        seen.append("the client waited for the end of the body")
    connection.close()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
client = openai.OpenAI(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1", api_key="k", max_retries=0)
for _ in range(2):
    stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
    print("text:", "".join(piece.choices[0].delta.content or "" for piece in stream))
deadline = time.monotonic() + 5
while len(seen) < 2 and time.monotonic() < deadline:
    time.sleep(0.05)
print("openai", openai.__version__, seen)
raise SystemExit(0 if seen == ["the client hung up at once"] * 2 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
