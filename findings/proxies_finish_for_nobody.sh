#!/bin/bash
# Surprise: behind HAProxy, Apache and h2o a model goes on with a plain request whose client has left, to the end: the connection to it stays open, and its
# slot is taken for nobody. For a stream all of them close it at once. nginx and Caddy close it for both. HAProxy has `option abortonclose` for it;
# Apache and h2o have nothing.
# Guess: a proxy whose client is gone closes the connection to the server, whatever was asked for.
# So: HAProxy gets that line, which by its manual is for those only that wait for a server; elsewhere streams are asked for, even where only the whole answer counts.
# Seen with: HAProxy 2.6.12, Apache 2.4.71, h2o 2.2.5, nginx 1.22.1, Caddy 2.6.2 (Debian 12), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
(cd "$folder" && apt-get download -qq haproxy=2.6.12-1+deb12u4 apache2-bin=2.4.71-1~deb12u1 h2o=2.2.5+dfsg2-7 nginx=1.22.1-9+deb12u11 caddy=2.6.2-5 \
  liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 libapr1 libaprutil1 2> /dev/null) || { echo "Debian 12's proxies can't be had: nothing was tried"; exit 2; }
for deb in "$folder"/*.deb; do dpkg -x "$deb" "$folder/root"; done
cat > "$folder/try.py" <<'PYTHON'
import contextlib, http.client, http.server, os, queue, socket, subprocess, sys, threading, time

folder, ends = sys.argv[1], queue.Queue()
root = folder + "/root"

class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass

    def gone(self):
        with contextlib.suppress(BlockingIOError):
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return False

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.close_connection = True
        stream = self.path == "/stream"
        if stream:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
        try:
            for token in range(30):
                if self.gone():
                    raise ConnectionResetError
                if stream:
                    self.wfile.write(b"data: %d\n\n" % token)
                time.sleep(0.1)
            if not stream:
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
            ends.put("to the end")
        except OSError:
            ends.put("stopped")

model = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=model.serve_forever, daemon=True).start()
to = f"127.0.0.1:{model.server_port}"
MODULES = "".join(f"LoadModule {name}_module {root}/usr/lib/apache2/modules/mod_{name}.so\n" for name in ("mpm_event", "authz_core", "proxy", "proxy_http"))
TEMPORARY = "".join(f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
HAPROXY = "defaults\n mode http\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n{more}\nlisten a\n bind 127.0.0.1:{port}\n server m {to}\n"
# Program and arguments, its file of settings.
PROXIES = {
    "haproxy": ("sbin/haproxy -db -f", HAPROXY),
    "haproxy, abortonclose": ("sbin/haproxy -db -f", HAPROXY.replace("{more}", " option abortonclose")),
    "apache": ("sbin/apache2 -X -f", "ServerName x\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nErrorLog {folder}/log\nListen 127.0.0.1:{port}\n" + MODULES
               + "User www-data\nGroup www-data\nMutex posixsem\nProxyPass / http://{to}/\n"),
    "h2o": ("bin/h2o -c", "listen: {{host: 127.0.0.1, port: {port}}}\nuser: root\nnum-threads: 1\nhosts: {{default: {{paths: {{/: {{proxy.reverse.url: 'http://{to}/'}}}}}}}}\n"),
    "nginx": ("sbin/nginx -e stderr -c", "daemon off; master_process off; pid {folder}/pid; events {{}}\nhttp {{ access_log off; " + TEMPORARY
              + "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{to}; }} }} }}\n"),
    "caddy": ("bin/caddy run --adapter caddyfile --config", "{{\n admin off\n auto_https off\n}}\nhttp://127.0.0.1:{port} {{\n reverse_proxy {to}\n}}\n"),
}

@contextlib.contextmanager
def running(name):
    program, text = PROXIES[name]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open(folder + "/settings", "w") as settings:
        settings.write(text.format(port=port, to=to, folder=folder, more=""))
    libraries = {"LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu", "HOME": folder}
    process = subprocess.Popen([*f"{root}/usr/{program}".split(), folder + "/settings"], env={**os.environ, **libraries}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()

seen = {}
for name in PROXIES:
    with running(name) as port:
        for path in ("/plain", "/stream"):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            client.request("POST", path, "{}")
            # Some tokens' time, after which it leaves.
            time.sleep(0.7)
            client.close()
            seen[name, path] = ends.get(timeout=30)
    print(f"{name}: its client left a plain request: {seen[name, '/plain']}; a stream: {seen[name, '/stream']}")
goes_on = {name for name, path in seen if path == "/plain" and seen[name, path] == "to the end"}
right = goes_on == {"haproxy", "apache", "h2o"} and all(end == "stopped" for (_, path), end in seen.items() if path == "/stream")
raise SystemExit(0 if right else 1)
PYTHON
if python3 "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
