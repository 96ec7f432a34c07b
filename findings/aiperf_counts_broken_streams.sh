#!/bin/bash
# Surprise: aiperf counts a stream in which the server told an error, and one that broke off in the middle, as requests that succeeded:
# two of two, no error in its report, exit code 0. Their times to the first token and their latency are in the averages.
# Guess: an error event is an error, and so is a stream without `finish_reason`, usage and [DONE].
# So: its figures of a server that fails under load look better, not worse; look at what the server counts.
# Seen with: aiperf 0.13.0, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install aiperf==0.13.0
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, os, subprocess, sys, threading
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        about = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        chunk = lambda delta, reason=None: {**about, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        events = [chunk({"role": "assistant", "content": "half"}), chunk({"content": " of it"})]
        if "/error/" in self.path:
            events.append({"error": {"message": "out of memory", "type": "server_error", "code": 500}})
        elif "/whole/" in self.path:
            usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
            events += [chunk({}, "stop"), {**about, "choices": [], "usage": usage}]
        end = "data: [DONE]\n\n" if "/whole/" in self.path else ""
        self.send_response(503 if "/status/" in self.path else 200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(("".join(f"data: {json.dumps(event)}\n\n" for event in events) + end).encode())

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
folder = os.path.dirname(sys.argv[0])

# A tokenizer of single bytes: the one that aiperf calls built in is fetched from the net.
words = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
bytewise = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, []))
bytewise.pre_tokenizer, bytewise.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
bytewise.save(f"{folder}/tokenizer.json")
with open(f"{folder}/tokenizer_config.json", "w") as config:
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}, config)

def reported(case):
    command = [f"{folder}/venv/bin/aiperf", "profile", "-m", "m", "--endpoint-type", "chat", "--streaming", "-u", f"http://127.0.0.1:{server.server_port}/{case}",
               "--tokenizer", folder, "--request-count", "2", "--concurrency", "1", "--synthetic-input-tokens-mean", "16", "--output-tokens-mean", "2",
               "--output-artifact-dir", case, "--ui", "none", "--use-server-token-count"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "HOME": folder}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        report = json.load(open(f"{folder}/{case}/profile_export_aiperf.json"))
    except FileNotFoundError:
        return done.returncode, None, None
    count = lambda name: int((report.get(name) or {}).get("avg") or 0)
    return done.returncode, count("request_count"), count("error_request_count")

seen = {case: reported(case) for case in ("whole", "error", "cut", "status")}
for case, (code, good, bad) in seen.items():
    print(f"{case}: exit code {code}, {good} requests that succeeded, {bad} that failed")
wanted = {"whole": (0, 2, 0), "error": (0, 2, 0), "cut": (0, 2, 0)}
raise SystemExit(0 if all(seen[case] == said for case, said in wanted.items()) and seen["status"][0] != 0 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
