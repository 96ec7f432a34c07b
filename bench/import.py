#!/usr/bin/env python3
"""import.py PROGRAM [MILLIONS]: makes a database of the original LLM-Manager, of its version 3, with ten million requests of ten
models over two years, and times `llm-manager import` with it, once more (nothing is imported twice), and what the ledger
says of them. Needs 3 GB in the folder for temporary files."""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODELS = 10
RUNS = 2_000  # of each model
TABLES = """
CREATE TABLE models (id INTEGER PRIMARY KEY AUTOINCREMENT, original_name TEXT UNIQUE NOT NULL, created_at TIMESTAMP);
CREATE TABLE model_runtime (id INTEGER PRIMARY KEY AUTOINCREMENT, model_id INTEGER, start_time REAL, end_time REAL);
CREATE TABLE model_requests (id INTEGER PRIMARY KEY AUTOINCREMENT, model_id INTEGER, start_time REAL, end_time REAL,
  input_tokens INTEGER, output_tokens INTEGER, cache_n INTEGER, prompt_n INTEGER);
CREATE TABLE system_settings (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE model_defs (id INTEGER PRIMARY KEY, name TEXT, mode TEXT, port INTEGER, auto_start INTEGER,
  pricing_type TEXT, hourly_price REAL, support_cache INTEGER, ord INTEGER);
CREATE TABLE model_aliases (model_id INTEGER, alias TEXT, ord INTEGER);
CREATE TABLE model_schemes (id INTEGER PRIMARY KEY, model_id INTEGER, config_source TEXT, required_devices TEXT,
  memory_mb TEXT, command TEXT, ord INTEGER);
CREATE TABLE pricing_tiers (pricing_id INTEGER, tier_index INTEGER, min_input INTEGER, max_input INTEGER,
  min_output INTEGER, max_output INTEGER, input_price REAL, output_price REAL, cache_write_price REAL, cache_read_price REAL);
"""
# A request of each model in turn; half of the input is in the cache.
REQUESTS = """
INSERT INTO model_requests (model_id, start_time, end_time, input_tokens, output_tokens, cache_n, prompt_n)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
SELECT 1 + i % ?2, ?3 + i * ?4, ?3 + i * ?4 + 0.5 + i % 97 * 0.25, 100 + i % 4000, 1 + i % 900, (100 + i % 4000) / 2,
  100 + i % 4000 - (100 + i % 4000) / 2 FROM n
"""


def make(path, count):
    start, span = time.time() - 730 * 86400, 729 * 86400
    with sqlite3.connect(path) as database:
        database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + TABLES)
        for number in range(1, MODELS + 1):
            name = f"model-{number}"
            database.execute("INSERT INTO models VALUES (?, ?, NULL)", (number, name))
            database.execute("INSERT INTO model_defs VALUES (?, ?, 'Chat', ?, 0, 'tier', 0, 1, ?)", (number, name, 9000 + number, number))
            database.execute(
                "INSERT INTO model_schemes VALUES (?, ?, 'Default', '[]', '{}', ?, 0)",
                (number, number, '{"exe": "llama-server", "args": ["--port", "{{port}}"]}'),
            )
            for tier, (low, high) in enumerate(((0, 1000), (1000, None))):
                database.execute("INSERT INTO pricing_tiers VALUES (?, ?, ?, ?, 0, NULL, ?, 8, 2, 0.5)", (number, tier, low, high, 2 + tier))
            step = span / RUNS
            database.executemany(
                "INSERT INTO model_runtime (model_id, start_time, end_time) VALUES (?, ?, ?)",
                ((number, start + i * step, start + i * step + step * 0.9) for i in range(RUNS)),
            )
        database.execute(REQUESTS, (count, MODELS, start, span / count))
    database.close()


def timed(*command):
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, cpu, after.ru_maxrss // 1024, done.stdout


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    program, count = str(Path(sys.argv[1]).resolve()), int(float(sys.argv[2] if len(sys.argv) > 2 else 10) * 1_000_000)
    with tempfile.TemporaryDirectory(prefix="llm-manager-import-") as folder:
        os.chdir(folder)
        make("llm_manager.db", count)
        print(f"{count} requests, {MODELS * RUNS} runs, {MODELS} models; {Path('llm_manager.db').stat().st_size >> 20} MiB")
        for word in ("import", "import once more"):
            wall, cpu, memory, said = timed(program, "--config", "config.yaml", "import", "llm_manager.db")
            print(f"{word}: {wall:.0f} s ({cpu:.0f} s of CPU, at most {memory} MiB)")
            print("\n".join("    " + line for line in said.strip().splitlines()[-4:]))
        ledgers = [file for file in Path(".").rglob("*.db") if file.name != "llm_manager.db"]
        with sqlite3.connect(ledgers[0]) as database:
            rows = database.execute("SELECT COUNT(*) FROM requests").fetchone()[0]
        print(f"the ledger has {rows} requests, {ledgers[0].stat().st_size >> 20} MiB")
        if rows != count:
            sys.exit("some are missing")


main()
