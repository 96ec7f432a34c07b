"""A manager in a folder of its own, with what the matrix asks of it."""
import http.client, json, pathlib, shutil, signal, socket, subprocess, tempfile, time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"in vain for {seconds} s: {what}")
        time.sleep(0.05)


class Manager:
    def __init__(self, binary, models):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="llm-manager-matrix-"))
        self.port = free_port()
        program = {"host": "127.0.0.1", "port": self.port, "Disable_GPU_monitoring": True, "stop_timeout": 20}
        (self.folder / "config.yaml").write_text(json.dumps({"program": program, "Local-Models": models}))
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen([binary, "--config", self.folder / "config.yaml"], stdout=self.log, stderr=self.log)
        until("the manager serves", 20, self.serves)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def serves(self):
        try:
            return self.call("GET", "/health")[0] == 200
        except OSError:
            return False

    def open(self, method, path, body=None, timeout=120, headers=None):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        client.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json", **(headers or {})})
        return client, client.getresponse()

    def call(self, method, path, body=None, **more):
        client, answer = self.open(method, path, body, **more)
        try:
            return answer.status, answer.read()
        finally:
            client.close()

    def rows(self):
        return json.loads(self.call("GET", "/api/requests?limit=500")[1])["rows"]

    def row(self, request_id):
        found = []
        until("the row is there", 20, lambda: found.extend(row for row in self.rows() if row["request_id"] == request_id) or found)
        return found[0]

    def model(self, name):
        return json.loads(self.call("GET", f"/api/models/{name}")[1])

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
