"""slurm.py: what the manager adds from sbatch to serving, and how often it asks Slurm. Called by slurm.sh; --help lists the options.

A real cluster of two nodes on this machine (tests/slurm/cluster.sh), so it wants root and slurm-wlm. slurmctld begins jobs once a second,
so when in that second a job is submitted makes up to a second of difference: both ways take turns, and those of a pair begin at the same
fraction of a second, which goes through the whole second from pair to pair.
  alone    sbatch of a script that execs the server; the clock stops when a chat is answered (asked every 10 ms)
  manager  a chat to a stopped model whose only variant is such a job; the clock stops with the answer
Then --jobs models run, each as a job, and the calls of Slurm's programs and the manager's CPU time are counted for --watch seconds."""

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLUSTER = os.path.join(ROOT, "tests/slurm/cluster.sh")
PROGRAMS = ["sbatch", "squeue", "scontrol", "scancel", "sinfo"]


def chat(host, port, model, timeout):
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1})
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    status = connection.getresponse()
    status.read()
    return status.status


def api(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 300, (path, answer.status, text[:300])
    return json.loads(text)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    # Its own, and those of the programs that it started.
    return [sum(int(fields[at]) for at in pair) / os.sysconf("SC_CLK_TCK") for pair in ((11, 12), (13, 14))]


def wait_for(fraction):
    time.sleep((fraction - time.time()) % 1)


class Stand:
    def __init__(self, options, jobs):
        self.folder = tempfile.mkdtemp(prefix="slurm-bench-")
        self.cluster = os.path.join(self.folder, "cluster")
        env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin")
        subprocess.run([CLUSTER, "start", self.cluster], check=True, env=env)
        if jobs > 16:
            # Nodes that have as many CPUs as there are jobs: config_overrides believes it.
            conf = os.path.join(self.cluster, "slurm.conf")
            with open(conf) as file:
                text = file.read()
            text = text.replace("CPUs=8 ", f"CPUs={jobs} ").replace("CoresPerSocket=8", f"CoresPerSocket={jobs}")
            with open(conf, "w") as file:
                file.write(text.replace("RealMemory=8000", "RealMemory=800000"))
            subprocess.run([CLUSTER, "stop", self.cluster], check=True, env=env)
            again = [[CLUSTER, "controller", self.cluster], [CLUSTER, "node", self.cluster, "n1"], [CLUSTER, "node", self.cluster, "n2"]]
            subprocess.run(["bash", "-c", f"munged --force --key-file={self.cluster}/munge.key --socket={self.cluster}/munge.sock --pid-file={self.cluster}/munged.pid --log-file={self.cluster}/log/munged.log --seed-file={self.cluster}/munged.seed < /dev/null > /dev/null 2>&1"], check=True, env=env)
            shutil.rmtree(os.path.join(self.cluster, "state"))
            os.makedirs(os.path.join(self.cluster, "state"))
            for command in again:
                subprocess.run(command, check=True, env=env)
        self.calls = os.path.join(self.folder, "calls")
        # Slurm's own programs, each call noted.
        programs = os.path.join(self.folder, "bin")
        os.makedirs(programs)
        for name in PROGRAMS:
            path = os.path.join(programs, name)
            with open(path, "w") as file:
                file.write(f'#!/bin/sh\n[ -n "$SLURM_JOB_ID" ] || echo {name} >> {self.calls}\nexec {shutil.which(name)} "$@"\n')
            os.chmod(path, 0o755)
        self.env = dict(env, PATH=programs + ":" + env["PATH"], SLURM_CONF=os.path.join(self.cluster, "slurm.conf"))
        self.port = free_port()
        models = "".join(
            f"  m{at}:\n    alive_time: 0\n    Job:\n      on: {{slurm: {{mem: \"10\"}}}}\n"
            f"      command: [\"{options.fake}\", --name, m{at}, --host, \"{{host}}\", --port, \"{{port}}\"]\n"
            for at in range(jobs)
        )
        with open(os.path.join(self.folder, "config.yaml"), "w") as file:
            file.write(f"program: {{host: 127.0.0.1, port: {self.port}, Disable_GPU_monitoring: true}}\nLocal-Models:\n{models}")
        self.log = open(os.path.join(self.folder, "manager.log"), "w")
        self.manager = subprocess.Popen(
            [options.manager, "serve"], cwd=self.folder, env=self.env, stdout=self.log, stderr=self.log
        )
        for _ in range(300):
            try:
                api(self.port, "GET", "/health")
                break
            except OSError:
                time.sleep(0.05)

    def alone(self, fake, fraction):
        port = free_port()
        wait_for(fraction)
        began = time.monotonic()
        job = subprocess.run(
            ["sbatch", "--parsable", "--mem=10", "--output=/dev/null", f"--wrap=exec {fake} --name m --host 127.0.0.1 --port {port}"],
            env=self.env, check=True, capture_output=True, text=True,
        ).stdout.strip()
        while True:
            try:
                if chat("127.0.0.1", port, "m", 10) == 200:
                    break
            except OSError:
                time.sleep(0.01)
        took = time.monotonic() - began
        subprocess.run(["scancel", job], env=self.env, check=True)
        self.settle()
        return took

    def managed(self, fraction):
        wait_for(fraction)
        began = time.monotonic()
        assert chat("127.0.0.1", self.port, "m0", 60) == 200
        took = time.monotonic() - began
        api(self.port, "POST", "/api/models/m0/stop")
        self.settle()
        return took

    def settle(self):
        while subprocess.run(["squeue", "-h"], env=self.env, capture_output=True, text=True).stdout.strip():
            time.sleep(0.1)

    def watch(self, jobs, seconds):
        for at in range(jobs):
            api(self.port, "POST", f"/api/models/m{at}/start?wait=false")
        began = time.monotonic()
        while True:
            ready = sum(model["state"] == "ready" for model in api(self.port, "GET", "/api/models"))
            if ready == jobs:
                break
            assert time.monotonic() - began < 600, f"{ready} are ready"
            time.sleep(1)
        up = time.monotonic() - began
        time.sleep(35)
        open(self.calls, "w").close()
        spent = cpu_seconds(self.manager.pid)
        time.sleep(seconds)
        own, programs = (100 * (after - before) / seconds for after, before in zip(cpu_seconds(self.manager.pid), spent))
        with open(self.calls) as file:
            calls = file.read().split()
        return up, len(calls) * 60 / seconds, own, programs

    def end(self):
        self.manager.send_signal(signal.SIGTERM)
        try:
            self.manager.wait(60)
        except subprocess.TimeoutExpired:
            self.manager.kill()
        subprocess.run([CLUSTER, "stop", self.cluster], env=self.env)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manager", required=True)
    parser.add_argument("--fake", required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--watch", type=int, default=120)
    options = parser.parse_args()
    options.manager, options.fake = os.path.abspath(options.manager), os.path.abspath(options.fake)
    stand = Stand(options, 1)
    try:
        alone, managed = [], []
        for at in range(options.rounds):
            # Neighbours aren't near each other: what else the machine does changes slowly.
            fraction = at * 0.618034 % 1
            alone.append(stand.alone(options.fake, fraction))
            managed.append(stand.managed(fraction))
    finally:
        stand.end()
    print("| from sbatch to an answer | median | shortest | longest |\n| --- | --- | --- | --- |")
    for name, times in (("Slurm alone", alone), ("through the manager", managed)):
        print(f"| {name} | {statistics.median(times):.2f} s | {min(times):.2f} s | {max(times):.2f} s |")
    adds = [two - one for one, two in zip(alone, managed)]
    print(f"\nadded, of {options.rounds} pairs: median {statistics.median(adds):.2f} s, mean {statistics.mean(adds):.2f} s", flush=True)
    if options.jobs:
        stand = Stand(options, options.jobs)
        try:
            up, calls, own, programs = stand.watch(options.jobs, options.watch)
        finally:
            stand.end()
        print(f"{options.jobs} jobs that run: all ready after {up:.0f} s; {calls:.1f} calls a minute, {own:.2f} % of a core, and {programs:.2f} % for Slurm's programs")


if __name__ == "__main__":
    main()
