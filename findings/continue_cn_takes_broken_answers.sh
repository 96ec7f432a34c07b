#!/bin/bash
# Surprise: Continue's `cn -p` takes a stream that broke off in the middle, an error that came with status 200, and an answer without a word for
# the whole answer: it prints what there is, or nothing, and ends with exit code 0. So it does for answers cut at the limit of tokens.
# Guess: a script that runs `cn -p` sees by the exit code, or by a line on stderr, that there is no answer.
# So: an empty output is no answer; what happened is in the server's log only.
# Seen with: @continuedev/cli 1.5.47, Node 22.23.3, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" node@22.23.3 @continuedev/cli@1.5.47)
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, os, subprocess, sys, threading

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        case = self.path.split("/")[1]
        chunk = lambda delta, reason=None: {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                                            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        words = {"whole": ["all ", "of it"], "empty": [], "cut": ["half "], "length": ["all ", "of "]}
        events = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": word}) for word in words.get(case, []))]
        events += [] if case == "cut" else [chunk({}, "length" if case == "length" else "stop")]
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + ("" if case == "cut" else "data: [DONE]\n\n")
        if case == "error":
            body = json.dumps({"error": {"message": "out of memory", "type": "server_error", "code": 500}})
        self.send_response(400 if case == "status" else 200)
        self.send_header("content-type", "application/json" if case == "error" else "text/event-stream")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.handle_error = lambda *_: None  # clients that hang up
threading.Thread(target=server.serve_forever, daemon=True).start()
folder = os.path.dirname(sys.argv[0])
environment = {**os.environ, "HOME": folder, "PATH": f"{folder}/node_modules/.bin:{os.environ['PATH']}", "CONTINUE_TELEMETRY_ENABLED": "0"}

def told(case):
    model = {"name": "m", "provider": "openai", "model": "m", "apiBase": f"http://127.0.0.1:{server.server_port}/{case}/v1", "apiKey": "k", "roles": ["chat"]}
    with open(f"{folder}/config.yaml", "w") as config:
        json.dump({"name": "x", "version": "1.0.0", "schema": "v1", "models": [model]}, config)
    done = subprocess.run(["cn", "--config", f"{folder}/config.yaml", "-p", "hi"], env=environment, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.strip(), done.stderr.strip()

seen = {case: told(case) for case in ("whole", "length", "cut", "error", "empty", "status")}
for case, (code, output, errors) in seen.items():
    print(f"{case}: exit code {code}, prints {output[:60]!r} and to stderr {errors[:60]!r}")
wanted = {"whole": "all of it", "length": "all of", "cut": "half", "error": "", "empty": ""}
right = all(seen[case] == (0, text, "") for case, text in wanted.items())
raise SystemExit(0 if right and seen["status"][0] != 0 else 1)
PYTHON
if python3 "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
