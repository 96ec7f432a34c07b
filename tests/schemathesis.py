"""Asks a real manager whatever its own description of the API allows, and what it forbids: `make schemathesis`.

Needs Python 3.10 or newer and the network, once: Schemathesis of the version below goes into `.schemathesis`. Arguments
are handed on to it, such as `--include-path /api/requests` or `--max-examples 50`.

What is left out, and why, stands in LEFT_OUT and in `schemathesis.toml`.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

VERSION = "4.32.5"
ROOT = Path(__file__).parent.parent
LEFT_OUT = [
    "/api/shutdown",  # there would be nobody left to ask
    "/api/restart",  # as above, for a moment
    "/api/events",  # never ends
    "/api/debug/panic/{name}",  # is there for tests alone
]
KEY = "sk-schemathesis"  # with it, the keys that are made change nothing for those that come after

def schemathesis() -> Path:
    folder = Path(os.environ.get("SCHEMATHESIS", ROOT / ".schemathesis"))
    program = folder / "bin" / "schemathesis"
    if not program.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", f"schemathesis=={VERSION}"], check=True)
    return program


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def configuration(binary: Path, port: int) -> dict:
    command = [str(binary.with_name("fake-model-server")), "--port", "{port}"]
    model = lambda mode: {"mode": mode, "default": {"required_devices": [], "command": command}}
    return {
        "program": {"port": port, "alive_time": 1, "drain_timeout": 2, "api_keys": [KEY]},
        "Local-Models": {
            "chat": model("Chat"), "text": model("Base"), "vectors": model("Embedding"), "order": model("Reranker"),
        },
    }


def wait_until_it_serves(base: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the manager doesn't serve; see manager.log")


def main() -> int:
    program = schemathesis()
    binary = Path(os.environ.get("LLM_MANAGER", ROOT / "target" / "debug" / "llm-manager"))
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(configuration(binary, port)))
        with open(Path(folder) / "manager.log", "w") as log:
            manager = subprocess.Popen([binary, "--config", config], cwd=folder, stdout=log, stderr=log)
        try:
            wait_until_it_serves(base)
            command = [program, "--config-file", ROOT / "tests" / "schemathesis.toml", "run"]
            command += [f"{base}/api/openapi.json", "--url", base, "--header", f"Authorization: Bearer {KEY}"]
            command += ["--continue-on-failure", "--seed", os.environ.get("SEED", "1")]
            command += [part for path in LEFT_OUT for part in ("--exclude-path", path)]
            return subprocess.run(command + sys.argv[1:], cwd=folder).returncode
        finally:
            manager.terminate()
            manager.wait()
            if os.environ.get("SHOW_LOG"):
                print((Path(folder) / "manager.log").read_text()[-4000:])


if __name__ == "__main__":
    sys.exit(main())
