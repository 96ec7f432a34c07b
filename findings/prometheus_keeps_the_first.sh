#!/bin/bash
# Surprise: pages of two engines put one after the other are read by Prometheus without any complaint: `up` is 1, the count of samples is that of both, its log
# is empty, and of each name only the first engine's number is kept. A sample with an old time is left out as quietly, but for the log. One word for a number,
# in the last line, throws the whole page away (`up` 0), those samples too that were read before; so does a carriage return.
# Guess: the same series twice is an error of the page, or the last one counts; a line that can't be read costs that line.
# So: what gathers the metrics of several engines adds a label to each, as LLM-Manager does with `model`; a page without one counts one engine for all.
# Seen with: Prometheus 2.42.0 (Debian 12), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
(cd "$folder" && apt-get download -qq prometheus=2.42.0+ds-5+deb12u1 2> /dev/null) || { echo "Debian 12's Prometheus 2.42.0 can't be had: nothing was tried"; exit 2; }
dpkg -x "$folder"/prometheus_*.deb "$folder/root"
cat > "$folder/try.py" <<'PYTHON'
import contextlib, http.server, json, socket, subprocess, sys, threading, time, urllib.parse, urllib.request

folder = sys.argv[1]
ENGINE = "# TYPE tokens counter\ntokens {}\n# TYPE running gauge\nrunning 7\n"
PAGES = {
    "one": ENGINE.format(1),
    "two engines": ENGINE.format(1) + ENGINE.format(100),
    "an old time": "tokens 1 1000\nrunning 7\n",
    "a word at the end": "tokens 1\nrunning 7\nload n/a\n",
    "carriage returns": "tokens 1\r\nrunning 7\r\n",
}

class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_GET(self):
        body = PAGES[urllib.parse.unquote(self.path[1:])].encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
targets = [{"targets": [f"127.0.0.1:{server.server_port}"]}]
jobs = [{"job_name": name, "metrics_path": "/" + name, "static_configs": targets} for name in PAGES]
with open(f"{folder}/prometheus.yml", "w") as settings:
    json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}, settings)
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
log = open(f"{folder}/log", "w")
program = f"{folder}/root/usr/bin/prometheus"
print(subprocess.run([program, "--version"], capture_output=True, text=True).stdout.splitlines()[0])
process = subprocess.Popen([program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

def ask(question):
    address = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": question})
    return {found["metric"]["job"]: float(found["value"][1]) for found in json.load(urllib.request.urlopen(address))["data"]["result"]}

try:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if len(ask("up")) == len(PAGES):
                break
        time.sleep(0.2)
    up, tokens, running, samples = ask("up"), ask("tokens"), ask("running"), ask("scrape_samples_post_metric_relabeling")
finally:
    process.terminate()
    process.wait()
for name in PAGES:
    print(f"{name}: up {up[name]:.0f}, {samples[name]:.0f} samples, tokens {tokens.get(name)}, running {running.get(name)}")
lines = open(f"{folder}/log").read().splitlines()
warned = {name for name in PAGES for line in lines if f"/{urllib.parse.quote(name)} " in line and ("level=warn" in line or "level=error" in line)}
print(f"pages that its log warns of: {sorted(warned)}")
seen = {name: (up[name], samples[name], tokens.get(name), running.get(name)) for name in PAGES}
wanted = {"one": (1, 2, 1, 7), "two engines": (1, 4, 1, 7), "an old time": (1, 2, None, 7), "a word at the end": (0, 2, None, None), "carriage returns": (0, 0, None, None)}
raise SystemExit(0 if seen == wanted and warned == {"an old time"} else 1)
PYTHON
if python3 "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
