#!/bin/bash
# Surprise: DSPy sends the same question to the server once: at `temperature=1.0`, from another LM object and from another process too, the answer is the first
# one, out of a cache on the disk, its usage an empty dictionary. A server that has been given another model meanwhile isn't asked. An answer that was cut
# at the limit of tokens is kept like any other.
# Guess: a temperature above zero, or a new process, asks anew.
# So: fewer requests in the server's books than calls in the program; `cache=False` in `dspy.LM` for measurements and after a change of the model.
# Seen with: dspy 3.2.0 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile dspy==3.2.0
cat > "$folder/ask.py" <<'PYTHON'
import json, sys
import dspy

told = []
for call in range(2):
    model = dspy.LM("openai/" + sys.argv[2], api_base=sys.argv[1], api_key="k", temperature=1.0, **json.loads(sys.argv[3]))
    dspy.configure(lm=model)
    told.append((dspy.Predict("question -> answer")(question="hi").answer, dict(model.history[-1]["usage"]).get("total_tokens")))
print(json.dumps(told))
PYTHON
cat > "$folder/try.py" <<'PYTHON'
import http.server, importlib.metadata, json, os, subprocess, sys, threading

asked = 0

class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        global asked
        asked += 1
        model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        message = {"role": "assistant", "content": f"[[ ## answer ## ]]\nanswer {asked}"}
        choice = {"index": 0, "finish_reason": "length" if model == "cut" else "stop", "message": message}
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice],
                           "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
folder, seen = sys.argv[1], []
print("dspy", importlib.metadata.version("dspy"))
for model, more in (("warm", {}), ("warm", {}), ("cut", {}), ("cut", {}), ("warm", {"cache": False})):
    before = asked
    done = subprocess.run([sys.executable, f"{folder}/ask.py", f"http://127.0.0.1:{server.server_port}/v1", model, json.dumps(more)], capture_output=True, text=True, check=True,
                          env={**os.environ, "DSPY_CACHEDIR": f"{folder}/cache", "HOME": folder, "LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    told = json.loads(done.stdout.splitlines()[-1])
    seen.append((asked - before, told))
    print(f"a process, model {model}, {more or 'as it comes'}: two calls, {asked - before} requests, answers and tokens {told}")
wanted = [(1, [["answer 1", 12], ["answer 1", None]]), (0, [["answer 1", None]] * 2), (1, [["answer 2", 12], ["answer 2", None]]), (0, [["answer 2", None]] * 2),
          (2, [["answer 3", 12], ["answer 4", 12]])]
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
