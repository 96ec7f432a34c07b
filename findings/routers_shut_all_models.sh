#!/bin/bash
# Surprise: vllm-router and smg, in front of one server with several models, count failures by server: when one model is not to be had (503) a few times, the
# router answers 503 for every model, for a minute and without asking; for vllm-router a 501, "this model can't do that", counts too. Before that a
# 503 is asked for five times within half a second, whatever `Retry-After` says, by smg ten times if the connection is closed. smg knows only the
# first model of the server's list, 404 for the others. vllm-router sends each chat to `/v1/chat/completions/render` and `/tokenize` as well.
# Guess: one model's failures are its own; a repeat waits as long as it was told; one chat is one request.
# So: in front of a gateway with models that come and go these routers need `--disable-circuit-breaker` and `--disable-retries`.
# Seen with: vllm-router 0.1.17, smg 1.13.0, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install vllm-router==0.1.17 smg==1.13.0
cat > "$folder/try.py" <<'PYTHON'
import contextlib, http.client, http.server, json, os, socket, subprocess, sys, threading, time

programs = os.path.dirname(sys.executable)
asked, failure = [], None

class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in ("first", "second")]})

    def do_POST(self):
        model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        asked.append(self.path)
        if model == "first" and failure == "close":
            self.close_connection = True
        elif model == "first" and failure:
            self.answer(failure, {"error": {"message": "not to be had", "type": "an_error", "code": failure}})
        elif self.path == "/v1/chat/completions":
            choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
            self.answer(200, {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]})
        else:
            self.answer(404, {"detail": "Not Found"})

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("retry-after", "2")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

def free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]

@contextlib.contextmanager
def router(name, *options):
    global failure
    failure = None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free()
    command = [f"{programs}/{name}", *(["launch"] if name == "smg" else []), "--host", "127.0.0.1", "--port", str(port), "--prometheus-host", "127.0.0.1",
               "--prometheus-port", str(free()), "--worker-urls", f"http://127.0.0.1:{server.server_port}", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def chat(model):
        asked.clear()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        status = connection.getresponse().status
        return status, asked.count("/v1/chat/completions"), len(set(asked))

    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if chat("first")[0] == 200:
                    break
            time.sleep(0.3)
        yield chat
    finally:
        process.kill()
        process.wait()
        server.shutdown()

seen = {}
for name in ("vllm-router", "smg"):
    for what in (503, 501, "close"):
        with router(name) as chat:
            whole = chat("first"), chat("second")
            failure = what
            began = time.monotonic()
            once = chat("first")
            took = time.monotonic() - began
            for _ in range(12):
                last = chat("first")
            failure = None
            time.sleep(5)
            seen[name, what] = whole[0][0], whole[1][0], once[:2], took < 1.9, last[:2], chat("second" if name == "vllm-router" else "first")[:2], whole[0][2]
        print(f"{name}, the first model: {what}: asked {once[1]} times in {took:.1f} s; after twelve more {last[0]}, asked {last[1]} times; all is well for 5 s, "
              f"{'the second model' if name == 'vllm-router' else 'the same model'}: {seen[name, what][5][0]}, asked {seen[name, what][5][1]} times")
print(f"paths that one chat is sent to: vllm-router {seen['vllm-router', 503][6]}, smg {seen['smg', 503][6]}; the second model: {seen['vllm-router', 503][1]}, {seen['smg', 503][1]}")
with router("vllm-router", "--disable-circuit-breaker", "--disable-retries") as chat:
    failure = 503
    off = [chat("first")[:2] for _ in range(12)][-1], chat("second")[0]
print(f"vllm-router without its breaker and repeats: {off}")
shut = (503, 0)
wanted = {("vllm-router", 503): ((503, 5), shut, shut), ("vllm-router", 501): ((501, 1), shut, shut), ("vllm-router", "close"): ((500, 5), shut, shut),
          ("smg", 503): ((503, 5), shut, shut), ("smg", 501): ((501, 1), (501, 1), (200, 1)), ("smg", "close"): ((500, 10), shut, shut)}
right = all((row[2], row[4], row[5]) == wanted[key] and row[3] and row[0] == 200 for key, row in seen.items())
right = right and seen["vllm-router", 503][1] == 200 and seen["smg", 503][1] == 404 and seen["vllm-router", 503][6] == 3 and seen["smg", 503][6] == 1
raise SystemExit(0 if right and off == ((503, 1), 200) else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
