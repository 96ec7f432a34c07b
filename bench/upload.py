#!/usr/bin/env python3
"""An upload of 50 MB as a multipart form, beside nginx, in one run.

    bench/upload.py [--binary target/release/llm-manager] [--rounds 12] [--size 50]

All hand the form to the same server, which reads it and answers: nginx as it is by default, which has the whole form before it
sends it on, as the manager has; nginx that passes it on as it comes; and the manager. They take turns, so that whatever
else the computer does meets all. Prints bytes per second and what the manager's memory grew by. Exit 1 below 0.8 of nginx's
bytes per second, or above 52 MiB more than idle.
"""
import argparse, http.client, http.server, json, os, pathlib, shutil, socket, statistics, subprocess, sys, tempfile, time

FLOOR, CEILING = 0.8, 52.0


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.say(b'{"data":[{"id":"ears"}]}')

    def do_POST(self):
        left, buffer = int(self.headers["Content-Length"]), memoryview(bytearray(1 << 20))
        while left > 0:
            left -= self.rfile.readinto(buffer[:min(left, len(buffer))])
        self.say(b'{"text":"heard"}')


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, path="/"):
    for _ in range(400):
        try:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            client.request("GET", path)
            client.getresponse().read()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody serves on port {port}")


def memory(pid, what):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def upload(port, form):
    began = time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST", "/v1/audio/transcriptions", form, {"Content-Type": "multipart/form-data; boundary=X"})
    answer = client.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{answer.status}: {text[:200]!r}")
    client.close()
    return time.perf_counter() - began


def main():
    if sys.argv[1:2] == ["--backend"]:
        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Backend).serve_forever()
    options = argparse.ArgumentParser()
    options.add_argument("--binary", default="target/release/llm-manager")
    options.add_argument("--rounds", type=int, default=12)
    options.add_argument("--size", type=float, default=50, help="MB")
    options = options.parse_args()
    nginx = shutil.which("nginx") or sys.exit("nginx is not installed")
    form = (b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
            + os.urandom(int(options.size * 1e6))
            + b'\r\n--X\r\nContent-Disposition: form-data; name="model"\r\n\r\nears\r\n--X--\r\n')
    folder = pathlib.Path(tempfile.mkdtemp(prefix="llm-manager-upload-"))
    ports = {name: free_port() for name in ("backend", "nginx", "passing", "manager")}
    me = [sys.executable, os.path.abspath(__file__), "--backend"]
    (folder / "nginx.conf").write_text(f"""
        {"user root;" if os.geteuid() == 0 else ""} daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error;
        events {{}}
        http {{
            access_log off; client_max_body_size 0; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
            server {{ listen 127.0.0.1:{ports['nginx']};
                location / {{ proxy_pass http://127.0.0.1:{ports['backend']}; proxy_http_version 1.1; }} }}
            server {{ listen 127.0.0.1:{ports['passing']};
                location / {{ proxy_pass http://127.0.0.1:{ports['backend']}; proxy_http_version 1.1;
                    proxy_request_buffering off; }} }}
        }}""")
    config = {"program": {"host": "127.0.0.1", "port": ports["manager"], "Disable_GPU_monitoring": True},
              "Local-Models": {"ears": {"mode": "Transcription", "alive_time": 0,
                                        "Default": {"on": {"url": f"http://127.0.0.1:{ports['backend']}/v1"}}}}}
    (folder / "config.yaml").write_text(json.dumps(config))
    started = []
    try:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": open(folder / "log", "ab")}
        started.append(subprocess.Popen([*me, str(ports["backend"])], **quiet))
        started.append(subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")], **quiet))
        manager = subprocess.Popen([options.binary, "--config", str(folder / "config.yaml"), "serve"], **quiet)
        started.append(manager)
        for name in ("backend", "nginx"):
            wait_for(ports[name])
        wait_for(ports["manager"], "/health")
        small = form[:200] + form[-80:]
        for name in ("nginx", "manager"):
            upload(ports[name], small)
        idle = memory(manager.pid, "VmRSS")
        times = {"backend": [], "nginx": [], "passing": [], "manager": []}
        for _ in range(options.rounds):
            for name in times:
                times[name].append(upload(ports[name], form))
        peak, after = memory(manager.pid, "VmHWM"), memory(manager.pid, "VmRSS")
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
    speed = {name: len(form) / statistics.median(taken) / 1e6 for name, taken in times.items()}
    ratio = speed["manager"] / speed["nginx"]
    print(f"straight {speed['backend']:.0f} MB/s, nginx {speed['nginx']:.0f} MB/s, passing on {speed['passing']:.0f} MB/s, manager "
          f"{speed['manager']:.0f} MB/s: {ratio:.2f} of nginx's, {speed['manager'] / speed['passing']:.2f} of one that passes on "
          f"(medians of {options.rounds})")
    print(f"manager's memory: idle {idle:.1f} MiB, at most {peak:.1f} MiB ({peak - idle:.1f} more), afterwards {after:.1f} MiB")
    sys.exit(ratio < FLOOR or peak - idle > CEILING)


main()
