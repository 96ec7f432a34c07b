#!/usr/bin/env python3
"""Reports over HTTP: the real manager with a ledger that was filled before. Called by ledger.sh."""

import argparse
import http.client
import shutil
import signal
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

from stand import Stand

NOW = datetime.now(timezone.utc)


def ago(days):
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


REPORTS = (
    ("summary of 30 days by model", 50, "/api/usage/summary", {"from": ago(30), "by": "model"}),
    ("series of 30 days by day and model, UTC", 50, "/api/usage/series",
     {"from": ago(30), "by": "model", "bucket": "day"}),
    ("series of 30 days by day and model, Europe/Berlin", 50, "/api/usage/series",
     {"from": ago(30), "by": "model", "bucket": "day", "tz": "Europe/Berlin"}),
    ("series of 30 days by hour and model, Europe/Berlin", 20, "/api/usage/series",
     {"from": ago(30), "by": "model", "bucket": "hour", "tz": "Europe/Berlin"}),
    ("series of a day by minute and model", 20, "/api/usage/series",
     {"from": ago(1), "by": "model", "bucket": "minute", "tz": "Europe/Berlin"}),
    ("series of a day by minute", 20, "/api/usage/series", {"from": ago(1), "bucket": "minute"}),
    ("a client's own request id, of which there is none", 20, "/api/requests", {"request_id": "mine-4711"}),
    ("refused requests, of which there are none", 20, "/api/requests", {"outcome": "refused"}),
    ("requests of a run, of which there are none", 20, "/api/requests", {"run_id": 4711}),
    ("page of 100 requests", 20, "/api/requests", {"limit": 100}),
    ("page of 100 requests of one model, middle", 20, "/api/requests",
     {"limit": 100, "model": "model-3", "to": ago(20)}),
    ("page of 100 requests that failed", 20, "/api/requests", {"limit": 100, "outcome": "failed"}),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manager", required=True)
    parser.add_argument("--fake", required=True)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="llm-manager-bench-")
    stand = Stand(folder, arguments.manager, arguments.fake)
    try:
        # Nothing is to be deleted while this runs.
        manager = stand.manager(settings={"database": arguments.ledger, "log_retention_days": 36500})
        for what, target, path, query in REPORTS:
            times = []
            connection = http.client.HTTPConnection("127.0.0.1", manager.port, timeout=60)
            for _ in range(arguments.rounds):
                began = time.perf_counter()
                connection.request("GET", f"{path}?{urlencode(query)}")
                response = connection.getresponse()
                response.read()
                times.append((time.perf_counter() - began) * 1000)
                if response.status != 200:
                    raise SystemExit(f"bench: {path} {query}: {response.status}")
            median = statistics.median(times)
            print(f"| over HTTP: {what} | {times[0]:.2f} | {min(times):.2f} | {median:.2f} | {max(times):.2f} | {target} "
                  f"| {'yes' if median <= target else '**no**'} |")
    finally:
        stand.end()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
