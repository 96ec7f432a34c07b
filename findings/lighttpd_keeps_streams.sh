#!/bin/bash
# Surprise: lighttpd in front of a model sends no token before the last one: an event stream is gathered whole and sent with a Content-Length. A client
# that leaves isn't noticed meanwhile, and the model generates on to the end. `server.stream-response-body = 1` makes both right: each event
# comes at once, and the connection to the model ends with the client.
# Guess: a stream without a length is passed on as it comes.
# So: that line belongs into its settings; a client whose streams come in one piece has such a proxy between.
# Seen with: lighttpd 1.4.69 (Debian 12), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
(cd "$folder" && apt-get download -qq lighttpd=1.4.69-1 2> /dev/null) || { echo "Debian 12's lighttpd 1.4.69 can't be had: nothing was tried"; exit 2; }
dpkg -x "$folder"/lighttpd_*.deb "$folder/root"
cat > "$folder/try.py" <<'PYTHON'
import contextlib, http.client, http.server, queue, socket, subprocess, sys, threading, time

folder, ends = sys.argv[1], queue.Queue()

class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        try:
            for token in range(6):
                self.wfile.write(b"data: %d\n\n" % token)
                time.sleep(0.4)
            ends.put("generated to the end")
        except OSError:
            ends.put("stopped")

model = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=model.serve_forever, daemon=True).start()

@contextlib.contextmanager
def lighttpd(more):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open(f"{folder}/lighttpd.conf", "w") as settings:
        settings.write(f'server.modules = ("mod_proxy")\nserver.document-root = "{folder}"\nserver.bind = "127.0.0.1"\nserver.port = {port}\n{more}\n'
                       f'proxy.server = ("" => (("host" => "127.0.0.1", "port" => {model.server_port})))\n')
    process = subprocess.Popen([f"{folder}/root/usr/sbin/lighttpd", "-D", "-f", f"{folder}/lighttpd.conf", "-m", f"{folder}/root/usr/lib/lighttpd"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()

def asked(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/chat/completions", "{}")
    return connection

seen = {}
print(subprocess.run([f"{folder}/root/usr/sbin/lighttpd", "-v"], capture_output=True, text=True).stdout.splitlines()[0])
for more in ("", "server.stream-response-body = 1"):
    with lighttpd(more) as port:
        begin, pieces = time.monotonic(), []
        answer = asked(port).getresponse()
        while piece := answer.read1(65536):
            pieces.append((time.monotonic() - begin, piece.count(b"data:")))
        whole = ends.get(timeout=30)
        left = asked(port)
        # Two tokens' time, after which it leaves.
        time.sleep(0.8)
        left.close()
        seen[more] = (len(pieces), answer.headers["content-length"] is not None, ends.get(timeout=30))
        print(f"{more or 'as it comes'}: {[f'{count} events after {after:.1f} s' for after, count in pieces]}; its client left: {seen[more][2]}")
right = seen[""] == (1, True, "generated to the end") and seen["server.stream-response-body = 1"][0] > 3 and seen["server.stream-response-body = 1"][1:] == (False, "stopped")
raise SystemExit(0 if right else 1)
PYTHON
if python3 "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
