#!/usr/bin/env python3
"""What recording costs a request: a manager that records beside one that doesn't. Called by ledger.sh.

Both run all the time and are measured in turn, in pairs whose order changes. Ratios are made pair by pair: what
else the machine does hits both alike.
"""

import argparse
import shutil
import signal
import statistics
import sys
import tempfile

from bench import QUESTION, log, machine
from stand import Stand

CONNECTIONS = 64
SITUATIONS = (
    ("the backend answers after 20 ms: cores are free", "head_delay_ms=20"),
    ("the backend answers at once: cores are full", ""),
)
FIGURES = (
    ("requests/s", lambda result: result["per_second"], ",.0f"),
    ("p50 µs", lambda result: result["p50"], ",.0f"),
    ("p99 µs", lambda result: result["p99"], ",.0f"),
    ("CPU µs per request", lambda result: result["cpu"] / result["requests"] * 1e6, ",.1f"),
)


def pairs(stand, on, off, count, seconds, words, title):
    """[(with recording, without)], one after the other."""
    measured = []
    for target in (on, off):
        stand.wrk(target, CONNECTIONS, 1, QUESTION, words)
    for nth in range(count):
        results = {}
        for target in (on, off) if nth % 2 == 0 else (off, on):
            log(f"{title}, pair {nth + 1} of {count}: {target.name}")
            results[target.name] = stand.wrk(target, CONNECTIONS, seconds, QUESTION, words)
            if results[target.name]["failures"]:
                log(f"{results[target.name]['failures']} failures")
        measured.append((results["on"], results["off"]))
    return measured


def row(title, measured):
    lines = []
    for what, read, form in FIGURES:
        on, off = ([read(pair[side]) for pair in measured] for side in (0, 1))
        ratios = [a / b for a, b in zip(on, off)]
        lines.append(f"| {title} | {what} | {statistics.median(on):{form}} | {statistics.median(off):{form}} | "
                     f"**{statistics.median(ratios):.3f}** | {min(ratios):.2f}-{max(ratios):.2f} |")
        title = ""
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manager", required=True)
    parser.add_argument("--fake", required=True)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", type=int, choices=range(len(SITUATIONS)))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="llm-manager-bench-")
    stand = Stand(folder, arguments.manager, arguments.fake)
    try:
        on = stand.manager("on")
        off = stand.manager("off", environment={"LLM_MANAGER_RECORDING": "off"})
        lines = [f"{CONNECTIONS} connections, {arguments.pairs} pairs of {arguments.seconds} s, {machine()}.", "",
                 "| situation | figure | recording | not | median of the ratios | range |", "|" + " --- |" * 6]
        for nth, (title, words) in enumerate(SITUATIONS):
            if arguments.only in (None, nth):
                lines += row(title, pairs(stand, on, off, arguments.pairs, arguments.seconds, words, title))
        requests = off.get("/api/usage/session")["total"]["requests"]
        if requests:
            raise SystemExit(f"bench: {requests} requests were recorded where none should have been")
        print("\n".join(lines))
    finally:
        stand.end()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
