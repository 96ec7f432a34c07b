#!/bin/bash
# Surprise: when the server of a WebSocket dies, its connection ends without a Close frame. `async for message in socket` of aiohttp then ends as it does when the
# server has said all; `receive_str` of the same socket and the loops of websockets and websocket-client raise. The other way round, httpx-ws raises after
# a Close frame with 1000, too, and `WebSocketApp` of websocket-client calls `on_error` with "Connection closed normally".
# Guess: a loop over messages ends after a Close frame with 1000, and raises when the connection broke off, as the four do for a plain response.
# So: behind a loop of aiohttp ask for `socket.close_code`: 1006 is an answer that was cut off. The manager's ledger says `backend_error`.
# Seen with: aiohttp 3.14.5, websockets 15.0.1, websocket-client 1.9.2, httpx-ws 0.9.0 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile aiohttp==3.14.5 websockets==15.0.1 websocket-client==1.9.2 httpx-ws==0.9.0
cat > "$folder/try.py" <<'PYTHON'
import asyncio, base64, hashlib, os, socket, struct, threading
import aiohttp, websocket, websockets
from httpx_ws import aconnect_ws

def serve(server, well):
    """Says one word, and is gone: with a Close frame (1000), if all is well."""
    while True:
        client, _ = server.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        client.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode() + b"\x81\x02hi")
        if well:
            client.sendall(b"\x88\x02" + struct.pack(">H", 1000))
            client.recv(100)
        client.close()

async def with_aiohttp(url, loop):
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as connection:
        if loop:
            async for _ in connection:
                pass
        else:
            while True:
                await connection.receive_str()
        return f"ended ({connection.close_code.value})" if connection.close_code != 1000 else "ended"

async def with_websockets(url):
    async with websockets.connect(url) as connection:
        async for _ in connection:
            pass
    return "ended"

def with_websocket_client(url):
    connection = websocket.create_connection(url)
    while connection.recv():
        pass
    return "ended"

def with_app(url):
    errors = []
    app = websocket.WebSocketApp(url, on_error=lambda _, error: errors.append(str(error)))
    app.run_forever()
    return "on_error" if errors else "ended"

async def with_httpx(url):
    async with aconnect_ws(url.replace("ws://", "http://")) as connection:
        while True:
            await connection.receive_text()

WAYS = {"aiohttp, loop": lambda url: asyncio.run(with_aiohttp(url, True)), "aiohttp, receive_str": lambda url: asyncio.run(with_aiohttp(url, False)),
        "websockets": lambda url: asyncio.run(with_websockets(url)), "websocket-client": with_websocket_client, "WebSocketApp": with_app, "httpx-ws": lambda url: asyncio.run(with_httpx(url))}
seen = {}
for well in (True, False):
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(server, well), daemon=True).start()
    url = f"ws://127.0.0.1:{server.getsockname()[1]}/"
    for name, way in WAYS.items():
        try:
            told = way(url)
        except BaseException as error:
            told = "raised"
        seen.setdefault(name, []).append(told)
for name, (well, broken) in seen.items():
    print(f"{name}: after a Close frame {well}; broken off {broken}")
wanted = {"aiohttp, loop": ["ended", "ended (1006)"], "aiohttp, receive_str": ["raised", "raised"], "websockets": ["ended", "raised"], "websocket-client": ["ended", "raised"],
          "WebSocketApp": ["on_error", "on_error"], "httpx-ws": ["raised", "raised"]}
os._exit(0 if seen == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" 2> "$folder/errors"; then
  echo "still so"
else
  tail -n 5 "$folder/errors"
  echo "it has changed: adapt what relies on it"
  exit 1
fi
