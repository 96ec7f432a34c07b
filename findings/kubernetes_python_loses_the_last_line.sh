#!/bin/bash
# Surprise: a Pod's log that is followed with the official Python client's Watch ends before its last line if that has no line break, which the words of a server
# that crashes often haven't; nothing says so. Read in one piece, a log whose first character was cut by `limit_bytes`, or that has a byte of another
# encoding, raises UnicodeDecodeError and brings nothing; so does kubernetes_asyncio. pykube-ng reads each log as Latin-1. Of four only lightkube brings all.
# Guess: each line comes, the last one too, in UTF-8, with a mark where a character is broken.
# So: the reason of a crash is read in one piece (`tail_lines`, not `limit_bytes`), with `_preload_content=False` and a decode of one's own.
# Seen with: kubernetes 37.0.2, kubernetes_asyncio 36.1.0, lightkube 1.0.1, pykube-ng 23.6.0 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install kubernetes==37.0.2 kubernetes_asyncio==36.1.0 lightkube==1.0.1 pykube-ng==23.6.0
cat > "$folder/try.py" <<'PYTHON'
import asyncio, http.server, importlib.metadata, json, os, sys, threading
import kubernetes, kubernetes_asyncio, lightkube, pykube

folder = sys.argv[1]
# The Pods' logs. The second one is what an API server sends for limitBytes: it counts bytes, not characters.
LOGS = {"crashed": "loading\nerror: no memory for Müller's model".encode(), "cut": "Müller's model is ready\n".encode()[:2], "windows": b"K\xf6ln\n"}

class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_GET(self):
        name, log = self.path.split("/pods/")[1].split("?")[0].partition("/log")[:2]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "llm"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        body = LOGS[name] if log else json.dumps(pod).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain" if log else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
path = os.environ["KUBECONFIG"] = folder + "/kubeconfig"
with open(path, "w") as config:
    named = {"clusters": {"cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}, "users": {"user": {"token": "t"}},
             "contexts": {"context": {"cluster": "a", "user": "a", "namespace": "llm"}}}
    json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "a", **{key: [{"name": "a", **value}] for key, value in named.items()}}, config)
kubernetes.config.load_kube_config(path)
pods = kubernetes.client.CoreV1Api()

async def by_asyncio(name):
    await kubernetes_asyncio.config.load_kube_config(path)
    async with kubernetes_asyncio.client.ApiClient() as client, kubernetes_asyncio.watch.Watch() as watch:
        read = kubernetes_asyncio.client.CoreV1Api(client).read_namespaced_pod_log
        return [line async for line in watch.stream(read, name=name, namespace="llm")]

WAYS = {
    "kubernetes, followed": lambda name: list(kubernetes.watch.Watch().stream(pods.read_namespaced_pod_log, name=name, namespace="llm")),
    "kubernetes, in one piece": lambda name: [pods.read_namespaced_pod_log(name, "llm")],
    "kubernetes_asyncio, followed": lambda name: asyncio.run(by_asyncio(name)),
    "lightkube, followed": lambda name: list(lightkube.Client().log(name, follow=True)),
    "pykube-ng": lambda name: [pykube.Pod.objects(pykube.HTTPClient(pykube.KubeConfig.from_file(path))).get_by_name(name).logs()],
}
print({name: importlib.metadata.version(name) for name in ("kubernetes", "kubernetes_asyncio", "lightkube", "pykube-ng")})
seen = {}
for way, read in WAYS.items():
    for name in LOGS:
        try:
            seen[way, name] = "".join(line if line.endswith("\n") else line + "\n" for line in read(name))
        except UnicodeDecodeError as error:
            seen[way, name] = type(error).__name__
        print(f"{way}, {name}: {seen[way, name]!r}")
whole = LOGS["crashed"].decode() + "\n"
right = seen["kubernetes, followed", "crashed"] == "loading\n" and seen["kubernetes, in one piece", "crashed"] == whole
right &= all(seen[way, name] == "UnicodeDecodeError" for way in ("kubernetes, in one piece", "kubernetes_asyncio, followed") for name in ("cut", "windows"))
right &= [seen["lightkube, followed", name] for name in ("cut", "windows")] == ["M\ufffd\n", "K\ufffdln\n"]
right &= all(seen[way, "crashed"] == whole for way in ("kubernetes_asyncio, followed", "lightkube, followed"))
right &= seen["pykube-ng", "crashed"] == LOGS["crashed"].decode("latin-1") + "\n"
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
