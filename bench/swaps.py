#!/usr/bin/env python3
"""How long people wait when models take turns: swaps, cold starts, patterns; beside llama-swap if it is there.

    bench/swaps.py [--manager PATH] [--fake PATH] [--llama-swap PATH] [--llama-server PATH --gguf FILE...]
                   [--rounds N] [--overlap] [--load SECONDS]... [--only SECTION]...

Sections: swap; cold; pattern; beside: one request to B amid short ones to A; shared: one request to B beside two clients of A
who leave it not a moment idle; loading: CPU of the manager while five models load; and engine: swaps between two copies of each
FILE by the real llama-server, and the two clients, beside its own router (`llama-server --models-dir`), all in turns; where other
programs use the cores, the spinning threads of its OpenMP wait for each other for 200 ms at a time, which
`OMP_WAIT_POLICY=passive` in the environment leaves out; and parked: swaps to and
fro of models that load in 5 s and sleep in 0.05 s, wake in 0.1 s instead, and of the same stopped and started. Each model wants 12,000 MiB of a card of 16,000, so only one fits at a time. The model
server is fake-model-server: it opens its port at once and answers 503 until its load time has passed, as llama-server does.
The card is a command under `devices:` that either tells what is in use (the processes that are alive), or only its total.
"""
import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CARD = 16000
NEED = 12000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Target:
    """Something that starts models on demand: the manager, or llama-swap."""

    def serve(self, command, folder, health):
        self.log = folder / "log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                if self.ask("GET", health)[0] == 200:
                    return
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"bench: no answer: {self.log.read_text()}")
            time.sleep(0.02)

    def ask(self, method, path, body=None, timeout=600):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def chat(self, model, tokens=1, timeout=600, **words):
        """Seconds until the answer."""
        begin = time.monotonic()
        body = {"model": model, "max_tokens": tokens, "messages": [{"role": "user", "content": "hi"}], **words}
        status, text = self.ask("POST", "/v1/chat/completions", body, timeout)
        if status != 200:
            raise SystemExit(f"bench: {model}: {status} {text}")
        return time.monotonic() - begin

    def starts(self):
        return sum(len(file.read_text().splitlines()) for file in self.folder.glob("starts-*"))

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def __enter__(self):
        return self


class Manager(Target):
    def __init__(self, options, folder, load, device, models="abc", gguf=None, parks=False, overlap=False, **program):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        (folder / "alive").mkdir()
        (folder / "asleep").mkdir()
        program = {"host": "127.0.0.1", "port": self.port, "alive_time": 0, "log_level": "DEBUG",
                   "Disable_GPU_monitoring": device is None, **program}
        script = folder / "card.sh"
        used = f'used=0; for f in {folder}/alive/*; do [ -e "$f" ] && [ -d "/proc/$(cat "$f")" ] && [ ! -e "{folder}/asleep/${{f##*/}}" ] && used=$((used+{NEED})); done; '
        told = ',"memory_used_mb":%d' if device == "use" else ""
        script.write_text(f'#!/bin/sh\n{used if told else "used=0; "}printf \'{{"online":true,"memory_total_mb":{CARD}{told}}}\' $used\n')
        script.chmod(0o755)
        needs = {"required_devices": ["card"], "memory_mb": {"card": NEED}} if device else {}
        config = {"program": program, "Local-Models": {}}
        if device:
            config["devices"] = [{"name": "card", "command": [str(script)]}]
        for model in models:
            start = folder / f"{model}.sh"
            server = (f"{options.fake} --load-delay-ms {int(load * 1000)} --start-file {folder}/starts-{model} "
                      f"--ready-file {folder}/ready-{model}")
            if parks:
                server += f" --sleep-mode --sleep-ms 50 --wake-ms 100 --asleep-file {folder}/asleep/{model}"
            if gguf:
                server = f"{options.llama_server} -m {gguf} --host 127.0.0.1 --port $PORT -a {model} {ENGINE}"
            start.write_text(f"#!/bin/sh\necho $$ > {folder}/alive/{model}\nexec {server}\n")
            start.chmod(0o755)
            sleeps = {"park": {"with": "vllm"}, "parked_mb": {"cpu": 64, "card": 500}} if parks else {}
            early = {"overlap": True} if overlap else {}
            config["Local-Models"][model] = {**sleeps, **early, "only": {"script_path": str(start), **needs}}
        (folder / "config.yaml").write_text(json.dumps(config))
        self.serve([options.manager, "--config", folder / "config.yaml"], folder, "/health")

    def stop(self, model):
        self.ask("POST", f"/api/models/{model}/stop")


class LlamaSwap(Target):
    def __init__(self, options, folder, load, _device, models="abc", **_):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        config = {"startPort": free_port(), "models": {}}
        for model in models:
            command = (f"{options.fake} --port ${{PORT}} --load-delay-ms {int(load * 1000)} --name {model} "
                       f"--start-file {folder}/starts-{model} --ready-file {folder}/ready-{model}")
            config["models"][model] = {"cmd": command, "checkEndpoint": "/health"}
        (folder / "config.yaml").write_text(json.dumps(config))
        command = [options.llama_swap, "--config", folder / "config.yaml", "--listen", f"127.0.0.1:{self.port}"]
        self.serve(command, folder, "/v1/models")

    def stop(self, _):
        self.ask("GET", "/unload")


class Router(Target):
    """llama-server's own router: loads what is asked for, and holds one model at a time."""

    def __init__(self, options, folder, gguf):
        self.folder, self.port = folder, free_port()
        (folder / "models").mkdir(parents=True)
        for model in "ab":
            (folder / "models" / f"{model}.gguf").symlink_to(gguf.resolve())
        command = [options.llama_server, "--host", "127.0.0.1", "--port", str(self.port), "--models-dir",
                   folder / "models", "--models-max", "1", *ENGINE.split()]
        self.serve(command, folder, "/health")


def engine(options):
    for gguf in options.gguf:
        targets = {"llama-server's router": lambda folder: Router(options, folder, gguf),
                   "manager, use told": lambda folder: Manager(options, folder, 0, "use", "ab", gguf),
                   "manager, total only": lambda folder: Manager(options, folder, 0, "total", "ab", gguf)}
        if options.overlap:
            targets["manager, overlap"] = lambda folder: Manager(options, folder, 0, "use", "ab", gguf, overlap=True)
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-swaps-")))
            ones = {name: stack.enter_context(make(folder / str(number))) for number, (name, make) in enumerate(targets.items())}
            times = {name: [] for name in ones}
            for one in ones.values():
                # Each model has been started once.
                one.chat("b"), one.chat("a")
            # In turns: what else runs on the machine hits all of them alike.
            for turn in range(options.rounds):
                for name, one in ones.items():
                    times[name].append(one.chat("ba"[turn % 2]))
            least = statistics.median(times["llama-server's router"])
            for name, one in ones.items():
                median = statistics.median(times[name])
                print(f"  engine {gguf.name:>32} {name:>24}: median {median:.4f} s = {median / least:.2f} x, least "
                      f"{min(times[name]):.4f}, largest {max(times[name]):.4f}", flush=True)
            if options.shared:
                for name, one in ones.items():
                    print(f"  shared {gguf.name:>32} {name:>24}: {shared(one, options.rounds, 0)}", flush=True)


def swap(target, rounds, _load):
    """Seconds of each request, to and fro, each asked as soon as the one before is answered."""
    target.chat("a")
    times = [target.chat("ba"[turn % 2]) for turn in range(rounds)]
    return f"median {statistics.median(times):.3f} s, largest {max(times):.3f} s"


def parked(options):
    """Swaps to and fro in one run, stopped and started, and parked: seconds of each, and their ratio."""
    medians = {}
    for device in ("use", "total"):
        for parks in (False, True):
            with tempfile.TemporaryDirectory(prefix="bench-swaps-") as folder:
                with Manager(options, Path(folder) / "run", 5, device, "ab", parks=parks) as one:
                    # Both have been started once: from then on it is a matter of swaps.
                    one.chat("a"), one.chat("b")
                    times = [one.chat("ab"[turn % 2]) for turn in range(options.rounds)]
                    medians[parks] = statistics.median(times)
                    word = "parked" if parks else "stopped and started"
                    print(f"  parked load 5 s, {device:>5} told, {word:>19}: median {medians[parks]:.3f} s, largest "
                          f"{max(times):.3f} s, {one.starts()} starts", flush=True)
        print(f"  parked load 5 s, {device:>5} told: {medians[False] / medians[True]:.1f} times as fast", flush=True)


def cold(target, rounds, _load):
    """Seconds from the moment at which the server is ready to the first byte of the answer."""
    own = []
    for _ in range(rounds):
        target.stop("a")
        begin = time.time()
        target.chat("a")
        ended = time.time()
        ready = float((target.folder / "ready-a").read_text().splitlines()[-1])
        assert ready >= begin
        own.append(ended - ready)
    own.sort()
    return f"median {statistics.median(own) * 1000:.1f} ms, p95 {own[int(len(own) * 0.95)] * 1000:.1f} ms, largest {own[-1] * 1000:.1f} ms"


def pattern(target, _rounds, load):
    """A B A A C A B C, six times, three in 2 x the load's third: starts, and how long each request took."""
    waits, threads = [], []

    def ask(model):
        waits.append(target.chat(model))

    begin = time.monotonic()
    for number, model in enumerate("abaacabc" * 6):
        time.sleep(max(0, begin + number * load * 2 / 3 - time.monotonic()))
        threads.append(threading.Thread(target=ask, args=(model,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    waits.sort()
    return f"{target.starts()} starts, wait median {statistics.median(waits):.2f} s, p95 {waits[int(len(waits) * 0.95)]:.2f} s"


def beside(target, _rounds, load):
    """One request to B amid short requests to A, two a second: seconds until B's answer."""
    over = threading.Event()
    target.chat("a")

    def short():
        while not over.wait(0.5):
            threading.Thread(target=target.chat, args=("a",), daemon=True).start()

    thread = threading.Thread(target=short)
    thread.start()
    time.sleep(2.2)
    took = target.chat("b")
    over.set()
    thread.join()
    target.chat("a")
    return f"{took:.2f} s"


def shared(target, _rounds, load):
    """One request to B beside two clients of A whose requests overlap without a gap: seconds until B's answer, 60 at most."""
    over = threading.Event()
    target.chat("a")

    def steady():
        while not over.is_set():
            with contextlib.suppress(OSError):
                target.chat("a", 200, 120, x_fake="head_delay_ms=400")

    threads = [threading.Thread(target=steady, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    time.sleep(1)
    try:
        took = f"{target.chat('b', 1, 60):.2f} s"
    except TimeoutError:
        took = "none in 60 s"
    over.set()
    for thread in threads:
        thread.join(5)
    return took


def loading(target, _rounds, load):
    """CPU of the manager while five models load, less what it takes while nothing happens, for each model."""
    def cpu():
        user, system = Path(f"/proc/{target.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def over(seconds):
        before = cpu()
        time.sleep(seconds)
        return (cpu() - before) / seconds

    idle = over(10)
    threads = [threading.Thread(target=target.chat, args=(model,), daemon=True) for model in "abcde"]
    for thread in threads:
        thread.start()
    time.sleep(1)
    share = (over(20) - idle) / len(threads)
    return f"{share * 100:.2f} % of a core for each of {len(threads)} models, idle {idle * 100:.2f} %"


ENGINE = "-c 512 --no-webui"
SECTIONS = {"swap": swap, "cold": cold, "pattern": pattern, "beside": beside, "shared": shared, "loading": loading}
# Where each model fits beside the others.
ALONE = ("cold", "loading")


def main():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--manager", default=target / "llm-manager", type=Path)
    options.add_argument("--fake", default=target / "fake-model-server", type=Path)
    options.add_argument("--llama-swap", default=None, type=Path)
    options.add_argument("--llama-server", default=None, type=Path)
    options.add_argument("--gguf", action="append", default=[], type=Path)
    options.add_argument("--overlap", action="store_true", help="engine: the manager with `overlap: true`, too")
    options.add_argument("--rounds", default=10, type=int)
    options.add_argument("--load", action="append", type=float)
    options.add_argument("--no-shared", dest="shared", action="store_false", help="leaves the two clients out of engine")
    options.add_argument("--only", action="append", choices=[*SECTIONS, "engine", "parked"])
    options = options.parse_args()
    options.fake, options.manager = options.fake.resolve(), options.manager.resolve()
    # Each target runs in a folder of its own.
    if options.llama_server:
        options.llama_server = options.llama_server.resolve()
    options.gguf = [gguf.resolve() for gguf in options.gguf]
    targets = {"manager, use told": (Manager, "use", {}), "manager, total only": (Manager, "total", {}),
               "manager, use told, min_hold 0": (Manager, "use", {"min_hold": 0}),
               "manager, no devices": (Manager, None, {})}
    if options.llama_swap:
        targets["llama-swap"] = (LlamaSwap, None, {})
    if options.llama_server and "engine" in (options.only or ["engine"]):
        engine(options)
    if "parked" in (options.only or ["parked"]):
        parked(options)
    for section in (one for one in options.only or SECTIONS if one not in ("engine", "parked")):
        for load in options.load or [0.5]:
            for name, (kind, device, program) in targets.items():
                if (section in ALONE) != (device is None) and kind is Manager:
                    continue
                # A load that outlasts the measurement.
                if section == "loading":
                    load, program = 60, {**program, "log_level": "INFO"}
                with tempfile.TemporaryDirectory(prefix="bench-swaps-") as folder:
                    with kind(options, Path(folder) / "run", load, device, models="abcde", **program) as one:
                        print(f"{section:>8} load {load} s {name:>30}: {SECTIONS[section](one, options.rounds, load)}", flush=True)


if __name__ == "__main__":
    main()
