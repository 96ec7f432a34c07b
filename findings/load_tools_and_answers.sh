#!/bin/bash
# Surprise: ab counts nine of ten good answers as failed, for their length isn't that of the first one, and streams that broke off, as well as 503, as none ("Failed
# requests: 0"). For hey a stream that broke off is one of its `[200]`. autocannon counts it nowhere: four of ten are left, with no error. wrk alone tells it,
# as a read error. None of them looks into a stream: one with an error event in it is fine for all.
# Guess: a failed request is one without a whole answer, and its status is another matter.
# So: what came is counted by the server's own books; ab gets `-l`, and is believed about nothing else.
# Seen with: ab 2.4.71, hey 0.1.4, wrk 4.1.0 (Debian 12), autocannon 9.0.0 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
(cd "$folder" && apt-get download -qq apache2-utils=2.4.71-1~deb12u1 hey=0.1.4-2+b4 wrk=4.1.0-3+b2 libapr1 libaprutil1 libluajit-5.1-2 2> /dev/null) ||
  { echo "Debian 12's tools can't be had: nothing was tried"; exit 2; }
for deb in "$folder"/*.deb; do dpkg -x "$deb" "$folder/root"; done
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" autocannon@9.0.0
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, os, re, subprocess, sys, threading, time

folder = sys.argv[1]

class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers = 0
    def log_message(self, *_): pass

    def whole(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Model.answers += 1
        if self.path == "/texts":
            return self.whole(200, b"x" * (100 + Model.answers))
        if self.path == "/busy":
            return self.whole(503, b"")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for token in range(4):
            event = b'data: {"error":{"code":500}}\n\n' if (token, self.path) == (3, "/error") else b"data: %d\n\n" % token
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            time.sleep(0.05)
        if self.path == "/broken":
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
server.handle_error = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()
url, programs = f"http://127.0.0.1:{server.server_port}", folder + "/root/usr/bin/"
with open(folder + "/body", "w") as body, open(folder + "/post.lua", "w") as post:
    body.write("{}")
    post.write('wrk.method = "POST"\nwrk.body = "{}"\n')
environment = {**os.environ, "LD_LIBRARY_PATH": folder + "/root/usr/lib/x86_64-linux-gnu"}

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60).stdout

def number(pattern, text):
    found = re.search(pattern, text)
    return int(found[1]) if found else 0

def ab(path):
    text = run(programs + "ab", "-n", "10", "-c", "2", "-p", folder + "/body", "-T", "application/json", url + path)
    return {"failed": number(r"Failed requests: +(\d+)", text), "status": number(r"Non-2xx responses: +(\d+)", text)}

def hey(path):
    text = run(programs + "hey", "-n", "10", "-c", "2", "-m", "POST", "-d", "{}", url + path)
    return {"failed": len(re.findall(r"Error distribution", text)), "status": 10 - number(r"\[200\]\t(\d+)", text)}

def wrk(path):
    text = run(programs + "wrk", "-t1", "-c2", "-d1s", "-s", folder + "/post.lua", url + path)
    return {"failed": min(number(r"read (\d+)", text), 1), "status": min(number(r"3xx responses: (\d+)", text), 1)}

def autocannon(path):
    told = json.loads(run("node", folder + "/node_modules/autocannon/autocannon.js", "-a", "10", "-c", "2", "-m", "POST", "-b", "{}", "--json", url + path))
    return {"failed": told["errors"] + told["timeouts"], "status": told["non2xx"], "in all": told["requests"]["total"]}

seen = {}
print(run(programs + "ab", "-V").splitlines()[0])
for tool in (ab, hey, wrk, autocannon):
    for path in ("/whole", "/texts", "/busy", "/broken", "/error"):
        seen[tool.__name__, path] = tool(path)
        print(f"{tool.__name__} {path}: {seen[tool.__name__, path]}")
right = all(seen[tool, path].get("in all", 10) == 10 and seen[tool, path]["failed"] == 0 for tool in ("ab", "hey", "wrk", "autocannon") for path in ("/whole", "/error"))
right &= seen["ab", "/texts"]["failed"] == 9 and seen["ab", "/busy"] == {"failed": 0, "status": 10} and seen["ab", "/broken"] == {"failed": 0, "status": 0}
right &= seen["hey", "/broken"] == {"failed": 0, "status": 0} and seen["wrk", "/broken"]["failed"] == 1
right &= seen["autocannon", "/broken"]["failed"] == 0 and seen["autocannon", "/broken"]["in all"] < 10
raise SystemExit(0 if right else 1)
PYTHON
if python3 "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
