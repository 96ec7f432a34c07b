#!/usr/bin/env python3
"""stand_in.py KUBECONFIG CERT KEY PORT: stands for a kubelet (and, with --scheduler, for the scheduler) beside a real API server.

It runs the server's container of each Pod as a process of this machine, with an address of 127.77.0.0/16 as the Pod's, sets its
status as a kubelet does, and serves its log. No image, no cgroup, no network: what these do is not tried with it. A Pod that could not
begin is removed so many seconds after its deletion as its annotation stand-in/removal says, for a kubelet takes its time as well.
"""
import collections
import datetime
import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

NODE = "n1"
IMAGE = "llm-manager.test/empty:1"
CPUS = 2000

arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
schedules = "--scheduler" in sys.argv
text = open(arguments[0]).read()
server = re.search(r'server: "([^"]+)"', text).group(1)
token = re.search(r"token: ([0-9a-f]+)", text).group(1)
insecure = ssl._create_unverified_context()
pods = {}
taken = 0


def call(method, path, body=None, kind="application/json"):
    request = urllib.request.Request(server + path, method=method, data=None if body is None else json.dumps(body).encode())
    request.add_header("Authorization", "Bearer " + token)
    request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, context=insecure, timeout=10) as answer:
        return json.load(answer)


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def second():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def patch(pod, status):
    path = "/api/v1/namespaces/%s/pods/%s/status" % (pod["metadata"]["namespace"], pod["metadata"]["name"])
    return call("PATCH", path, {"status": status}, "application/strategic-merge-patch+json")


def container_status(name, state):
    return {"name": name, "image": IMAGE, "imageID": "", "ready": "running" in state, "restartCount": 0, "state": state}


class Running:
    """One Pod that this node has begun."""

    def __init__(self, pod):
        global taken
        taken += 1
        self.address = "127.77.%d.%d" % (taken // 250, taken % 250 + 1)
        self.container = pod["spec"]["containers"][0]
        self.lines = collections.deque(maxlen=10000)
        self.reported = None
        self.told = None
        self.process = None
        self.removal = float(pod["metadata"].get("annotations", {}).get("stand-in/removal", "0"))
        self.problem = self.image_problem()
        if not self.problem:
            self.start(pod)

    def image_problem(self):
        image = self.container["image"]
        if image == IMAGE:
            return None
        if self.container.get("imagePullPolicy") == "Never":
            return {"reason": "ErrImageNeverPull", "message": 'Container image "%s" is not present' % image}
        return {"reason": "ErrImagePull", "message": 'failed to pull image "%s": dial tcp 127.0.0.1:1: connection refused' % image}

    def start(self, pod):
        values = {}

        def expand(word):
            return re.sub(r"\$\((\w+)\)", lambda found: values.get(found.group(1), found.group(0)), word)

        for variable in self.container.get("env", []):
            source = variable.get("valueFrom", {})
            if "fieldRef" in source:
                values[variable["name"]] = self.address
            elif "secretKeyRef" in source:
                name = source["secretKeyRef"]["name"]
                secret = call("GET", "/api/v1/namespaces/%s/secrets/%s" % (pod["metadata"]["namespace"], name))
                import base64

                values[variable["name"]] = base64.b64decode(secret["data"][source["secretKeyRef"]["key"]]).decode()
            else:
                values[variable["name"]] = expand(variable.get("value", ""))
        words = [expand(word) for word in self.container.get("command", []) + self.container.get("args", [])]
        self.process = subprocess.Popen(
            words, env={"PATH": os.environ["PATH"], **values}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append((now(), line.rstrip(b"\n")))

    def status(self):
        name = self.container["name"]
        if self.problem:
            return {"phase": "Pending", "hostIP": "127.0.0.1", "containerStatuses": [container_status(name, {"waiting": self.problem})]}
        code = self.process.poll()
        found = {"hostIP": "127.0.0.1", "podIP": self.address, "podIPs": [{"ip": self.address}]}
        if code is None:
            state = {"running": {"startedAt": second()}}
            return {"phase": "Running", **found, "containerStatuses": [container_status(name, state)]}
        code = 128 - code if code < 0 else code
        state = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": second()}}
        phase = "Failed" if code else "Succeeded"
        return {"phase": phase, **found, "containerStatuses": [container_status(name, state)]}

    def end(self, grace):
        """Tells it to end; answers whether nothing is left."""
        if self.process is None:
            self.told = self.told or time.monotonic()
            return time.monotonic() >= self.told + self.removal
        if self.process.poll() is not None:
            return True
        deadline = time.monotonic() + grace
        if self.told is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.told = min(self.told or deadline, deadline)
        if time.monotonic() >= self.told:
            os.killpg(self.process.pid, signal.SIGKILL)
        return False


def requested(pod):
    def of(container):
        cpu = container.get("resources", {}).get("requests", {}).get("cpu", "0")
        return int(cpu[:-1]) if cpu.endswith("m") else int(float(cpu) * 1000)

    return sum(of(container) for container in pod["spec"]["containers"])


def schedule(pod, free):
    if requested(pod) > free:
        why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
               "message": "0/1 nodes are available: 1 Insufficient cpu."}
        if not any(one["type"] == "PodScheduled" for one in pod["status"].get("conditions", [])):
            patch(pod, {"conditions": [why]})
        return
    space, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    call("POST", "/api/v1/namespaces/%s/pods/%s/binding" % (space, name), {
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": NODE}})


def look():
    listed = call("GET", "/api/v1/pods")["items"]
    mine = [pod for pod in listed if pod["spec"].get("nodeName") == NODE]
    over = ("Failed", "Succeeded")
    if schedules:
        free = CPUS - sum(requested(pod) for pod in mine if pod["status"].get("phase") not in over)
        for pod in listed:
            if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
                schedule(pod, free)
    there = set()
    for pod in mine:
        uid = pod["metadata"]["uid"]
        there.add(uid)
        going = pod["metadata"].get("deletionTimestamp")
        if uid not in pods:
            if going or pod["status"].get("phase") in over:
                if going:
                    remove(pod)
                continue
            pods[uid] = Running(pod)
        run = pods[uid]
        status = run.status()
        if going and run.end(pod["metadata"].get("deletionGracePeriodSeconds", 30)):
            remove(pod)
            continue
        shape = json.dumps([status["phase"], list(status["containerStatuses"][0]["state"])])
        if shape != run.reported:
            patch(pod, status)
            run.reported = shape
    for uid in [uid for uid in pods if uid not in there]:
        pods.pop(uid).end(0)


def remove(pod):
    space, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    call("DELETE", "/api/v1/namespaces/%s/pods/%s?gracePeriodSeconds=0" % (space, name))


class Logs(http.server.BaseHTTPRequestHandler):
    """/containerLogs/NAMESPACE/POD/CONTAINER, as the API server asks a kubelet."""

    def do_GET(self):
        path = urllib.parse.urlparse(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(path.query).items()}
        container_of = path.path.split("/")
        run = None
        for pod in call("GET", "/api/v1/namespaces/%s/pods" % container_of[2])["items"]:
            if pod["metadata"]["name"] == container_of[3]:
                run = pods.get(pod["metadata"]["uid"])
        self.send_response(200 if run else 404)
        self.end_headers()
        since = query.get("sinceTime", "")[:19]
        done = 0
        while run:
            lines = list(run.lines)
            if done == 0 and "tailLines" in query:
                done = max(0, len(lines) - int(query["tailLines"]))
            over = run.process is None or run.process.poll() is not None
            for when, line in lines[done:]:
                if when[:19] >= since:
                    self.wfile.write((when.encode() + b" " if query.get("timestamps") == "true" else b"") + line + b"\n")
            self.wfile.flush()
            done = len(lines)
            if query.get("follow") != "true" or (over and done == len(run.lines)):
                return
            time.sleep(0.1)

    def log_message(self, *_):
        pass


class Kubelet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


kubelet = Kubelet(("127.0.0.1", int(arguments[3])), Logs)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(arguments[1], arguments[2])
kubelet.socket = context.wrap_socket(kubelet.socket, server_side=True)
threading.Thread(target=kubelet.serve_forever, daemon=True).start()
try:
    call("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
except urllib.error.HTTPError:
    pass
call("PATCH", "/api/v1/nodes/%s/status" % NODE, {"status": {
    "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
    "daemonEndpoints": {"kubeletEndpoint": {"Port": int(arguments[3])}},
    "allocatable": {"cpu": "%dm" % CPUS, "memory": "8Gi", "pods": "110"},
    "capacity": {"cpu": "%dm" % CPUS, "memory": "8Gi", "pods": "110"},
    "conditions": [{"type": "Ready", "status": "True", "reason": "Stand-in", "message": "",
                    "lastHeartbeatTime": second(), "lastTransitionTime": second()}],
}}, "application/strategic-merge-patch+json")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    while True:
        try:
            look()
        except (OSError, urllib.error.URLError) as error:
            print(error, getattr(error, "read", lambda: b"")()[:300], flush=True)
        time.sleep(0.2)
finally:
    for run in pods.values():
        run.end(0)
