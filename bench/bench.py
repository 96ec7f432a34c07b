#!/usr/bin/env python3
"""What the manager costs, beside the bare backend and nginx. Called by run.sh and compare.sh.

All targets are measured in turn, again and again, and compared round by round: what else the machine does
hits all of them alike.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

from stand import MODEL, Stand, children, cpu_seconds, machine_seconds, rss_kib

# About 250 bytes, as a chat's first question has.
QUESTION = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "You are a helpful assistant. Answer in one short sentence."},
        {"role": "user", "content": "Why is the sky blue at noon and red in the evening?"},
    ],
    "max_tokens": 8,
    "temperature": 0.2,
}
STREAM = QUESTION | {"stream": True}
STREAM_WITH_USAGE = STREAM | {"stream_options": {"include_usage": True}}


class Times:
    """How long and how often; `QUICK=1` is for a first impression."""

    def __init__(self, quick):
        self.rounds = 3 if quick else 5
        self.wrk_s = 1 if quick else 2
        self.warmup_ms, self.streams_ms = (500, 1000) if quick else (1500, 3000)
        self.waiting_rounds = 2 if quick else 5


def log(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values) if values else float("nan")


class Rounds:
    """The results of some targets, measured in turn."""

    def __init__(self, title, targets, count, measure):
        self.of = {target.name: [] for target in targets}
        self.others = []
        for number in range(count):
            for target in targets:
                log(f"{title}, round {number + 1} of {count}: {target.name}")
                began, busy, ours = time.monotonic(), machine_seconds(), our_seconds(targets)
                result = measure(target)
                ours, busy = our_seconds(targets) - ours, machine_seconds() - busy
                self.others.append(max(0, busy - ours) / (time.monotonic() - began))
                if result["failures"]:
                    log(f"{target.name}: {result['failures']} failures {result.get('failure', '')}")
                self.of[target.name].append(result)

    def value(self, name, read):
        return median([read(result) for result in self.of[name]])

    def ratio(self, name, to, read):
        """The median of the rounds' ratios, and the range."""
        pairs = [read(a) / read(b) for a, b in zip(self.of[name], self.of[to]) if read(b)]
        return f"{median(pairs):.2f} ({min(pairs):.2f}-{max(pairs):.2f})" if pairs else "-"

    def failures(self, name):
        return sum(result["failures"] for result in self.of[name])


def our_seconds(targets):
    """CPU time of the targets, the backends behind them and the load generators that have ended."""
    pids = set()
    for target in targets:
        pids.update(target.pids)
        if hasattr(target, "root"):
            pids.update(children(target.root))
    own = os.times()
    return cpu_seconds(pids) + own.user + own.system + own.children_user + own.children_system


class Report:
    """Markdown, built up row by row."""

    def __init__(self):
        self.lines = []
        self.others = []

    def text(self, *lines):
        self.lines += [*lines, ""]

    def table(self, head, rows):
        self.lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        self.lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def per_10k(count):
    return lambda result: result["cpu"] / result[count] * 1e4 if result[count] else float("nan")


def json_answers(stand, times, report):
    manager = stand.manager()
    keyed = stand.manager("with api_keys", keys=True)
    direct, nginx = stand.direct(manager), stand.nginx(manager.backend_port)
    rows = []
    per_second = lambda result: result["per_second"]
    for connections in (1, 64, 512):
        targets = [direct, manager, nginx] + ([keyed] if connections == 64 else [])
        measure = lambda target: stand.wrk(target, connections, times.wrk_s, QUESTION)
        rounds = Rounds(f"JSON, {connections} connections", targets, times.rounds, measure)
        report.others += rounds.others
        for target in targets:
            name, p50 = target.name, lambda result: result["p50"]
            is_direct = name == "direct"
            rows.append([
                connections, name,
                f"{rounds.value(name, per_second):,.0f}",
                "-" if is_direct else rounds.ratio(name, "direct", per_second),
                "-" if name in ("direct", "nginx") else rounds.ratio(name, "nginx", per_second),
                f"{rounds.value(name, p50):,.0f}",
                f"{rounds.value(name, lambda result: result['p99']):,.0f}",
                "-" if is_direct else f"{rounds.value(name, p50) - rounds.value('direct', p50):+,.0f}",
                "-" if is_direct else f"{rounds.value(name, per_10k('requests')):.3f}",
                "-" if name in ("direct", "nginx") else rounds.ratio(name, "nginx", per_10k("requests")),
                f"{rounds.value(name, lambda result: result['rss_kib']) / 1024:.0f}",
                rounds.failures(name),
            ])
    stand.end()
    report.text("### JSON answers (wrk, keep-alive)")
    report.table(["connections", "through", "requests/s", "of direct", "of nginx", "p50 µs", "p99 µs",
                  "p50 added µs", "CPU s/10k", "CPU of nginx's", "RSS MiB", "failures"], rows)


# Streams, tokens of each, pause before each token: 100, 10,000 and 20,000 tokens a second in all.
LOADS = [(1, 20, 10), (200, 50, 20), (1000, 40, 50)]


def streams(stand, times, report):
    manager = stand.manager()
    direct, nginx = stand.direct(manager), stand.nginx(manager.backend_port)
    rows, asking = [], "manager, the client asks for usage"
    asker = stand_in(manager, asking)
    at_thousand = None
    for connections, tokens, pause in LOADS:
        targets = [direct, manager, nginx] + ([asker] if connections == 200 else [])
        words = f"stamp=1,tokens={tokens},delay_ms={pause}"

        def measure(target):
            body = STREAM_WITH_USAGE if target.name == asking else STREAM
            warmup = max(times.warmup_ms, tokens * pause) if connections > 1 else 300
            return stand.streams(target, connections, warmup, times.streams_ms, body, words)

        rounds = Rounds(f"{connections} streams", targets, times.rounds, measure)
        report.others += rounds.others
        for target in targets:
            name, cpu = target.name, per_10k("chunks")
            read = lambda key: f"{rounds.value(name, lambda result: result[key]):,.0f}"
            rows.append([
                connections, name, read("firsts_p50"), read("firsts_p99"), read("chunks_p50"), read("chunks_p99"),
                "-" if name == "direct" else f"{rounds.value(name, cpu):.3f}",
                "-" if name in ("direct", "nginx") else rounds.ratio(name, "nginx", cpu),
                f"{rounds.value(name, lambda result: result['rss_kib']) / 1024:.0f}",
                rounds.failures(name),
            ])
        if connections == 1000:
            at_thousand = max(result["rss_kib"] for result in rounds.of["manager"]) / 1024
    stand.end()
    report.text("### Streams (paced tokens; delays from the upstream's write to the client's read)")
    report.table(["streams", "through", "first chunk p50 µs", "p99", "chunk p50 µs", "p99", "CPU s/10k chunks",
                  "CPU of nginx's", "RSS MiB", "failures"], rows)
    report.text(f"RSS of the manager with 1,000 open streams: **{at_thousand:.0f} MiB** at most (target: < 60 MB).")


def stand_in(target, name):
    copy = object.__new__(type(target))
    copy.__dict__ = target.__dict__ | {"name": name}
    return copy


def iso_us(text):
    """Unix time of `2026-01-02T03:04:05.678901234Z`, in microseconds."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp()
    return int(seconds) * 1_000_000 + int((fraction or "0").ljust(6, "0")[:6])


def waiters(stand, times, report, count):
    answered, refused, slow = [], [], []
    for number in range(times.waiting_rounds):
        log(f"{count} waiters, round {number + 1} of {times.waiting_rounds}")
        answered.append(waiting_round(stand, count))
    for _ in range(max(1, times.waiting_rounds // 2)):
        log(f"{count} waiters, refused by a stop")
        refused.append(waiting_round(stand, count, stop=True))
        log(f"{count} waiters for a backend that takes a second for each")
        slow.append(waiting_round(stand, count, words="tokens=8,head_delay_ms=1000"))
    of = lambda results, key: median([result[key] for result in results])
    spread = lambda results, key: f"{min(r[key] for r in results):,.0f}-{max(r[key] for r in results):,.0f}"
    rows = [[text, f"{of(results, key):,.{digits}f}", spread(results, key), target] for text, results, key, digits, target in (
        ("failures", answered, "failures", 0, "0"),
        ("ready -> all granted (log), ms", answered, "granted_ms", 0, "< 100"),
        ("ready -> first answer's first byte, ms", answered, "first_ms", 1, ""),
        ("ready -> half of the answers, ms", answered, "half_ms", 0, ""),
        ("ready -> last answer's first byte, ms", answered, "last_ms", 0, ""),
        ("same without a backend: stop -> last refusal read, ms", refused, "last_ms", 0, ""),
        ("failures when each answer takes the backend 1 s", slow, "failures", 0, "0"),
        ("connections to the backend then", slow, "backend_connections", 0, ""),
        ("RSS per waiter, KiB", answered, "kib_each", 1, "< 25"),
        ("RSS idle, MiB", answered, "idle_mib", 0, ""),
        ("RSS while all wait, MiB", answered, "waiting_mib", 0, ""),
        ("RSS when all are answered, MiB", answered, "after_mib", 0, ""),
        ("connections to the backend", answered, "backend_connections", 0, ""),
    )]
    report.text(f"### {count:,} requests wait for one start")
    report.table(["", "median", "range", "target"], rows)
    for failure in sorted({result["failure"] for result in answered + slow if result["failures"]}):
        report.text(f"A failure: `{failure}`")


def waiting_round(stand, count, stop=False, words="tokens=8"):
    """One start with so many waiters, of a fresh manager. With `stop` they are all refused instead."""
    release = stand.folder / f"release-{time.monotonic_ns()}"
    manager = stand.manager(release_file=release)
    measured = {"idle_mib": rss_kib(manager.pids) / 1024}
    status = lambda: manager.get(f"/api/models/{MODEL}")

    def all_wait():
        wait_until_waiting(status, count)
        # Whoever has just been accepted has its buffers by then.
        time.sleep(0.3)
        measured["waiting_mib"] = rss_kib(manager.pids) / 1024
        measured["began"] = time.time() * 1e6
        if stop:
            manager.post(f"/api/models/{MODEL}/stop")
        else:
            release.touch()

    result = stand.waiters(manager, count, 60_000, QUESTION, words, all_wait)
    measured["failures"], measured["failure"] = result["failures"], result["failure"]
    measured["kib_each"] = (measured["waiting_mib"] - measured["idle_mib"]) * 1024 / count
    measured["after_mib"] = rss_kib(manager.pids) / 1024
    if not stop:
        measured["began"] = iso_us(status()["ready_at"])
        measured["granted_ms"] = logged_ready_ms(manager.log) - measured["began"] / 1e3
        backend = stand.direct(manager)
        measured["backend_connections"] = backend.get("/fake/stats")["connections"]
    for key in ("min", "p50", "max"):
        name = {"min": "first", "p50": "half", "max": "last"}[key]
        measured[f"{name}_ms"] = (result[f"firsts_{key}_at"] - measured["began"]) / 1e3
    stand.end()
    return measured


def room_for_clients():
    """The manager keeps a reserve of its files and half of the rest for backends (docs/reference/limits.md)."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    clients = (files - 1060) // 2 - 20
    if clients < 10_000:
        log(f"{files} open files at most: no more than {clients} waiters")
    return clients


def wait_until_waiting(status, count):
    deadline = time.monotonic() + 30
    while status()["waiting"] < count:
        if time.monotonic() > deadline:
            log(f"only {status()['waiting']} of {count} wait")
            return
        time.sleep(0.05)


def logged_ready_ms(path):
    """When the manager said in its log that the model is ready: right behind the last grant."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if "-> ready" in line]
    stamp = lines[-1].split()[0].lstrip("[")
    return iso_us(stamp) / 1e3


def machine():
    cpus = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return f"{len(cpus)} x {cpus[0]}, {int(memory) / 1048576:.0f} GiB, Linux {platform.release()}"


def run(stand, arguments):
    quick = os.environ.get("QUICK") == "1"
    times, report = Times(quick), Report()
    began = time.monotonic()
    report.text(f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, commit {arguments.commit}, {machine()}.")
    sections = {
        "json": lambda: json_answers(stand, times, report),
        "streams": lambda: streams(stand, times, report),
        "waiters": lambda: waiters(stand, times, report, min(arguments.waiters, room_for_clients())),
    }
    for name in arguments.only or sections:
        # A section that fails must not take the figures of the others with it.
        try:
            sections[name]()
        except Exception:
            print("\n".join(report.lines))
            raise
    if report.others:
        report.text(
            f"Other processes took {median(report.others):.2f} of {os.cpu_count()} cores in the median of the "
            f"measurements, {max(report.others):.2f} at most. {times.rounds} rounds"
            f"{' (QUICK)' if quick else ''}, {time.monotonic() - began:.0f} s in all."
        )
    text = "\n".join(report.lines)
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text)
    if arguments.readme:
        readme = Path(__file__).with_name("README.md")
        before, mark, rest = readme.read_text().partition("<!-- results -->\n")
        _, end, after = rest.partition("<!-- end of results -->\n")
        readme.write_text(f"{before}{mark}{text}{end}{after}")


def compare(stand, arguments):
    """Two managers side by side."""
    first, second = stand.manager("A", binary=arguments.a), stand.manager("B", binary=arguments.b)
    times = Times(os.environ.get("QUICK") == "1")
    report = Report()
    rows = []
    for what, count, measure in (
        (f"JSON, {arguments.connections} connections", "requests",
         lambda target: stand.wrk(target, arguments.connections, times.wrk_s, QUESTION)),
        ("200 streams", "chunks",
         lambda target: stand.streams(target, 200, 1000, times.streams_ms, STREAM,
                                      "stamp=1,tokens=50,delay_ms=20")),
    ):
        rounds = Rounds(what, [first, second], arguments.rounds, measure)
        report.others += rounds.others
        values = {"CPU s/10k": per_10k(count), "p50 µs": lambda r: r.get("p50", r.get("chunks_p50"))}
        if count == "requests":
            values = {"requests/s": lambda r: r["per_second"], **values, "p99 µs": lambda r: r["p99"]}
        for name, read in values.items():
            a, b = (rounds.value(side, read) for side in "AB")
            digits = 3 if a < 10 else 0
            rows.append([what, name, f"{a:,.{digits}f}", f"{b:,.{digits}f}", rounds.ratio("B", "A", read)])
    report.table(["", "", "A", "B", "B/A (range)"], rows)
    report.text(f"Other processes took {median(report.others):.2f} cores in the median.")
    print("\n".join(report.lines))


REQUESTS = 2000


def instructions(stand, arguments):
    """Instructions per request outside the kernel, counted by callgrind: the same on a busy machine."""
    rows = {}
    for side, binary in (("A", arguments.a), ("B", arguments.b)):
        log(f"{side}: {REQUESTS} requests under callgrind")
        counts = stand.folder / f"callgrind-{side}"
        wrapper = stand.folder / f"callgrind-{side}.sh"
        # The manager starts itself again as its guard: that one is not counted.
        wrapper.write_text(f"""#!/bin/sh
[ "$1" = --config ] || exec {binary} "$@"
exec valgrind -q --tool=callgrind --instr-atstart=no --callgrind-out-file={counts} {binary} "$@"
""")
        wrapper.chmod(0o755)
        manager = stand.manager(side, binary=wrapper)
        manager.post_many(REQUESTS // 10, QUESTION)
        control = lambda *words: subprocess.run(["callgrind_control", *words, str(manager.pids[0])], check=True,
                                                capture_output=True)
        control("-i", "on")
        manager.post_many(REQUESTS, QUESTION)
        control("-i", "off")
        control("-d")
        rows[side] = per_function(Path(f"{counts}.1"), arguments.keep)
        stand.end()
    total = {side: sum(row.values()) for side, row in rows.items()}
    log(f"A {total['A']:,.0f}, B {total['B']:,.0f} instructions per request: B/A {total['B'] / total['A']:.3f}")
    names = sorted(rows["A"] | rows["B"], key=lambda name: -abs(rows["B"].get(name, 0) - rows["A"].get(name, 0)))
    report = Report()
    table = [[f"`{name[:90]}`", *(f"{rows[side].get(name, 0):,.0f}" for side in "AB")] for name in names[:25]]
    report.table(["instructions per request (the largest differences)", "A", "B"],
                 [["all", f"{total['A']:,.0f}", f"{total['B']:,.0f}"], *table])
    print("\n".join(report.lines))


def per_function(path, keep):
    if keep:
        shutil.copy(path, keep)
    text = subprocess.run(["callgrind_annotate", "--threshold=100", path], check=True, capture_output=True,
                          text=True).stdout
    found = {}
    for line in text.splitlines():
        count, _, name = line.strip().partition(" ")
        name = name.partition(") ")[2].partition(" [")[0].partition(":")[2]
        # Callgrind counts each byte of the `rep stosb` in memset.
        if count.replace(",", "").isdigit() and name and not name.startswith("__memset"):
            found[name] = found.get(name, 0) + int(count.replace(",", "")) / REQUESTS
    return found


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fake", required=True, help="fake-model-server")
    parser.add_argument("--manager", help="llm-manager")
    parser.add_argument("--only", action="append", choices=["json", "streams", "waiters"])
    parser.add_argument("--waiters", type=int, default=10_000)
    parser.add_argument("--output", help="file for the report")
    parser.add_argument("--readme", action="store_true", help="put the report into README.md too")
    parser.add_argument("--commit", default="?")
    parser.add_argument("--compare", dest="pair", nargs=2, metavar=("A", "B"))
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--instructions", action="store_true", help="compare instructions, not time (valgrind)")
    parser.add_argument("--keep", help="file for a copy of callgrind's counts of B")
    parsed = parser.parse_args()
    parsed.a, parsed.b = parsed.pair or (None, None)
    return parsed


def main():
    parsed = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="llm-manager-bench-")
    stand = Stand(folder, parsed.manager or parsed.a, parsed.fake)
    finished = False
    try:
        work = run if not parsed.pair else instructions if parsed.instructions else compare
        work(stand, parsed)
        finished = True
    finally:
        stand.end()
        if finished:
            shutil.rmtree(folder)
        else:
            log(f"the logs are in {folder}")


if __name__ == "__main__":
    main()
