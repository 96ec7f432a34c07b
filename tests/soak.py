#!/usr/bin/env python3
"""Steady load on a real manager: does anything grow?

    tests/soak.py [--time 1h] [--rate 48] [--binary target/release/llm-manager]

Three models of the fake server, idle after 1.2 s, so that starts and stops go on all the time. Prints memory, files,
threads, requests and rows once a minute. Exit 1 if rows are missing, or memory, files or threads still grow in the
second half: caches have to be full by then.
"""
import argparse, http.client, json, os, pathlib, random, shutil, signal, socket, subprocess, sys, tempfile, threading, time

UNITS = {"s": 1, "m": 60, "h": 3600}
# What may be left of growth between the middle and the end of a run, in MiB.
GROWTH = 4.0


def seconds(text):
    return float(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else float(text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Load:
    def __init__(self, port, end):
        self.port, self.end, self.answered, self.refused = port, end, 0, 0

    def run(self, seed, rate):
        dice = random.Random(seed)
        while time.time() < self.end:
            body = {"model": dice.choice("abc"), "messages": [{"role": "user", "content": "hi"}], "stream": dice.random() < 0.5}
            try:
                client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                client.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
                answer = client.getresponse()
                answer.read()
                client.close()
                self.answered += answer.status == 200
                self.refused += answer.status != 200
            except OSError:
                self.refused += 1
            time.sleep(dice.expovariate(rate))


def state(pid):
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    own = sum(int(status[key].split()[0]) for key in ("RssAnon",)) / 1024
    return own, int(status["VmRSS"].split()[0]) / 1024, len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--time", default="1h")
    options.add_argument("--rate", type=float, default=48)
    options.add_argument("--binary", default="target/release/llm-manager")
    options = options.parse_args()
    binary = pathlib.Path(options.binary).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="llm-manager-soak-"))
    port = free_port()
    command = [str(binary.with_name("fake-model-server")), "--port", "{port}"]
    models = {name: {"alive_time": 0.02, "Default": {"command": command}} for name in "abc"}
    program = {"host": "127.0.0.1", "port": port, "Disable_GPU_monitoring": True}
    (folder / "config.yaml").write_text(json.dumps({"program": program, "Local-Models": models}))
    with open(folder / "log", "wb") as log:
        manager = subprocess.Popen([binary, "--config", folder / "config.yaml"], stdout=log, stderr=log)
    time.sleep(1)
    began = time.time()
    length = seconds(options.time)
    load = Load(port, began + length)
    workers = [threading.Thread(target=load.run, args=(at, options.rate / 16), daemon=True) for at in range(16)]
    for worker in workers:
        worker.start()
    seen, ok = [], True
    print("minute   own MiB   RSS MiB   files   threads   answered   refused")
    while time.time() < began + length:
        time.sleep(min(60, length / 20))
        if manager.poll() is not None:
            print("the manager ended:", (folder / "log").read_text()[-2000:])
            return 1
        seen.append(state(manager.pid))
        own, rss, files, threads = seen[-1]
        minute = (time.time() - began) / 60
        print(f"{minute:6.1f}   {own:7.1f}   {rss:7.1f}   {files:5}   {threads:7}   {load.answered:8}   {load.refused:7}", flush=True)
    for worker in workers:
        worker.join(70)
    time.sleep(2)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("GET", "/api/usage/summary?from=2000-01-01T00:00:00Z")
    total = json.loads(client.getresponse().read())["total"]
    print("rows:", total["requests"], "sent:", load.answered + load.refused)
    if total["requests"] != load.answered + load.refused:
        print("WRONG: rows and requests differ")
        ok = False
    half, quarter = seen[len(seen) // 2 :], max(1, len(seen) // 8)
    for at, name, most in ((0, "own memory", GROWTH), (2, "files", 32), (3, "threads", 8)):
        first = sum(row[at] for row in half[:quarter]) / quarter
        last = sum(row[at] for row in half[-quarter:]) / quarter
        print(f"{name}: {first:.1f} in the middle, {last:.1f} at the end")
        if last - first > most:
            print(f"WRONG: {name} still grows")
            ok = False
    manager.send_signal(signal.SIGTERM)
    if manager.wait(60) != 0:
        print("WRONG: exit status", manager.returncode)
        ok = False
    shutil.rmtree(folder, ignore_errors=True)
    return 0 if ok else 1


sys.exit(main())
