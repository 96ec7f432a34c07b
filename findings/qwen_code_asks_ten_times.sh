#!/bin/bash
# Surprise: qwen-code asks twice for each question: behind the answer, with the whole conversation, for what is worth remembering. When an answer
# ended at the limit of tokens it asks again with twice the `max_tokens` (64000), then three times to go on, for both: ten requests, and
# the text is printed four times, exit code 0. An answer without text is asked for five times.
# Guess: one question is one request, and what is cut is shown as cut.
# So: with a limit on the server's side, or a small context, one question costs ten times what the model says.
# Seen with: @qwen-code/qwen-code 0.24.4, Node 22.23.3, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" node@22.23.3 @qwen-code/qwen-code@0.24.4)
cat > "$folder/try.py" <<'PYTHON'
import collections, http.server, json, os, subprocess, sys, threading

requests = collections.Counter()

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        case = self.path.split("/")[1]
        requests[case, "Existing memory files" in json.dumps(asked["messages"][1:])] += 1
        about = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        deltas = [({"role": "assistant", "content": ""}, None), *([] if case == "empty" else [({"content": "some words"}, None)]), ({}, "length" if case == "length" else "stop")]
        chunks = [{**about, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas]
        chunks.append({**about, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n").encode())

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.handle_error = lambda *_: None  # clients that hang up
threading.Thread(target=server.serve_forever, daemon=True).start()
folder = os.path.dirname(sys.argv[0])
environment = {**os.environ, "HOME": folder, "PATH": f"{folder}/node_modules/.bin:{os.environ['PATH']}", "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}

def told(case):
    environment["OPENAI_BASE_URL"] = f"http://127.0.0.1:{server.server_port}/{case}/v1"
    done = subprocess.run(["qwen", "--auth-type", "openai", "hi"], env=environment, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.count("some words"), requests[case, False], requests[case, True]

seen = {case: told(case) for case in ("whole", "length", "empty")}
for case, (code, times, asked, remembering) in seen.items():
    print(f"{case}: exit code {code}, the text is printed {times} times, {asked} requests for it, {remembering} for what to remember")
right = seen == {"whole": (0, 1, 1, 1), "length": (0, 4, 5, 5), "empty": (1, 0, 5, 0)}
raise SystemExit(0 if right else 1)
PYTHON
if python3 "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
