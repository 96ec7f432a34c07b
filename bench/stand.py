"""The test stand: a manager with its backend, nginx before the same backend, wrk and loadgen, on loopback.

Everything lives in one temporary folder, and every process that was started is ended again.
"""

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEY = "bench-key"
MODEL = "bench"

NGINX = """
daemon off;
worker_processes 2;
worker_rlimit_nofile {files};
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {dir}/nginx-body;
  proxy_temp_path {dir}/nginx-proxy;
  fastcgi_temp_path {dir}/nginx-fastcgi;
  uwsgi_temp_path {dir}/nginx-uwsgi;
  scgi_temp_path {dir}/nginx-scgi;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 100000000;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""

WRK = """
wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {key}"
wrk.headers["X-Fake"] = "{words}"
wrk.body = [[{body}]]
done = function(summary, latency)
  local e = summary.errors
  print(string.format('{{"requests":%d,"duration_us":%d,"p50":%.1f,"p99":%.1f,"failures":%d}}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(process, port, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"bench: no answer from {what}")
        time.sleep(0.02)


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def cpu_seconds(pids):
    """CPU time of these processes with all their threads, without their children, in nanosecond steps.

    The kernel's clock of another process (clock_getcpuclockid) counts what /proc/PID/stat shows in 10 ms steps.
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def rss_kib(pids):
    total = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    return total


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def machine_seconds():
    """CPU time that the whole machine has spent on anything."""
    user, nice, system, _, _, irq, softirq = Path("/proc/stat").read_text().split("\n")[0].split()[1:8]
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")


class Target:
    """Something that answers HTTP: `pids` are the processes whose CPU time and memory count as its own."""

    def __init__(self, name, port, pids):
        self.name, self.port, self.pids = name, port, pids

    def post(self, path, body=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        connection.request("POST", path, json.dumps(body) if body else "", headers)
        response = connection.getresponse()
        return response.status, response.read()

    def post_many(self, count, body):
        """One after the other on one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        text = json.dumps(body)
        for _ in range(count):
            connection.request("POST", "/v1/chat/completions", text, headers)
            connection.getresponse().read()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers={"Authorization": f"Bearer {KEY}"})
        return json.loads(connection.getresponse().read())


class Stand:
    """Owns the folder and the processes."""

    def __init__(self, folder, manager, fake):
        self.folder, self.manager_binary, self.fake = Path(folder), Path(manager), Path(fake)
        self.running = []
        self.loadgen = self.folder / "loadgen"
        subprocess.run(["cc", "-O2", "-o", self.loadgen, HERE / "loadgen.c"], check=True)

    def _start(self, command, log, **options):
        with open(self.folder / log, "ab") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **options)
        self.running.append(process)
        return process

    def end(self, *targets):
        """Ends all that was started, or only these targets."""
        pids = {target.root for target in targets}
        ending = [process for process in self.running if not targets or process.pid in pids]
        for process in ending:
            process.send_signal(signal.SIGTERM)
        for process in ending:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running = [process for process in self.running if process not in ending]

    def manager(self, name="manager", binary=None, keys=False, release_file=None, environment=None):
        """A manager with one model. Unless it waits for `release_file`, the model is warm when this returns."""
        port, backend = free_port(), free_port()
        folder = self.folder / f"{name.replace(' ', '-')}-{port}"
        folder.mkdir()
        backend_command = [str(self.fake), "--port", "{port}", "--name", "{model}"]
        if release_file:
            backend_command += ["--load-until-file", str(release_file)]
        program = {"host": "127.0.0.1", "port": port, "Disable_GPU_monitoring": True, "alive_time": 0}
        if keys:
            program["api_keys"] = ["another-key", KEY]
        model = {"port": backend, "CPU": {"required_devices": [], "command": backend_command}}
        config = folder / "config.yaml"
        # JSON is YAML.
        config.write_text(json.dumps({"program": program, "Local-Models": {MODEL: model}}))
        process = self._start([binary or self.manager_binary, "--config", config], "manager.log", cwd=folder,
                              env=os.environ | (environment or {}))
        wait_for_port(process, port, f"{name}; see {self.folder}/manager.log")
        target = Target(name, port, [process.pid])
        target.root, target.backend_port, target.log = process.pid, backend, self.folder / "manager.log"
        if not release_file:
            status, answer = target.post("/v1/chat/completions", {"model": MODEL, "messages": []})
            if status != 200:
                raise SystemExit(f"bench: {name} answered {status}: {answer.decode()}")
        return target

    def nginx(self, backend_port):
        port = free_port()
        config = self.folder / f"nginx-{port}.conf"
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        config.write_text(NGINX.format(dir=self.folder, port=port, backend=backend_port, files=files))
        process = self._start([os.environ["NGINX"], "-c", config, "-p", self.folder], "nginx-start.log")
        wait_for_port(process, port, f"nginx; see {self.folder}/nginx-start.log")
        target = Target("nginx", port, children(process.pid))
        target.root = process.pid
        return target

    def direct(self, manager):
        """The backend of this manager itself."""
        pid = manager.get(f"/api/models/{MODEL}")["pid"]
        return Target("direct", manager.backend_port, [pid])

    def wrk(self, target, connections, seconds, body, words=""):
        """Requests as fast as they are answered; the figures of wrk, and what the target spent."""
        script = self.folder / "wrk.lua"
        script.write_text(WRK.format(key=KEY, words=words, body=json.dumps(body)))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script,
                   f"http://127.0.0.1:{target.port}"]
        before = cpu_seconds(target.pids)
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        result = json.loads(output.splitlines()[-1])
        result["cpu"] = cpu_seconds(target.pids) - before
        result["rss_kib"] = rss_kib(target.pids)
        result["per_second"] = result["requests"] / (result["duration_us"] / 1e6)
        return result

    def streams(self, target, connections, warmup_ms, measure_ms, body, words):
        request = self._request(body, words)
        arguments = ["streams", str(target.port), request, str(connections), str(warmup_ms), str(measure_ms)]
        with subprocess.Popen([self.loadgen, *arguments], stdout=subprocess.PIPE, text=True) as load:
            load.stdout.readline()
            before = cpu_seconds(target.pids)
            load.stdout.readline()
            cpu, rss = cpu_seconds(target.pids) - before, rss_kib(target.pids)
            return json.loads(load.stdout.readline()) | {"cpu": cpu, "rss_kib": rss}

    def waiters(self, target, connections, deadline_ms, body, words, while_waiting):
        """`while_waiting` is called when all wait, and makes them be answered."""
        arguments = ["waiters", str(target.port), self._request(body, words), str(connections), str(deadline_ms)]
        with subprocess.Popen([self.loadgen, *arguments], stdout=subprocess.PIPE, text=True) as load:
            load.stdout.readline()
            while_waiting()
            return json.loads(load.stdout.readline())

    def _request(self, body, words):
        body = json.dumps(body)
        path = self.folder / "request"
        head = ["POST /v1/chat/completions HTTP/1.1", "Host: bench", "Content-Type: application/json",
                f"Authorization: Bearer {KEY}", f"X-Fake: {words}", f"Content-Length: {len(body)}"]
        path.write_text("\r\n".join(head) + "\r\n\r\n" + body, newline="")
        return path
