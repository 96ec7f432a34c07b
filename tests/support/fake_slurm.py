"""A Slurm of one file, for tests without a cluster: NAME.py sbatch|squeue|scontrol|scancel|sinfo ARGUMENTS.

Jobs are processes of this machine, begun at once; what is known of them is in FOLDER/jobs, and each call is a line of FOLDER/calls.
It keeps to what the real one was seen to do (exit codes, words, formats), as far as the manager looks at it."""

import json
import os
import signal
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
JOBS = os.path.join(FOLDER, "jobs")


def path_of(number):
    return os.path.join(JOBS, f"{number}.json")


def read(number):
    try:
        with open(path_of(number)) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def write(job):
    new = path_of(job["id"]) + f".{os.getpid()}"
    with open(new, "w") as file:
        json.dump(job, file)
    os.rename(new, path_of(job["id"]))


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def seconds_of(text):
    """`minutes`, `minutes:seconds` or `hours:minutes:seconds`; here seconds count, too."""
    if text is None:
        return None
    parts = [int(part) for part in text.split(":")]
    if len(parts) == 1:
        return parts[0] * 60
    return parts[-1] + 60 * parts[-2] + 3600 * (parts[0] if len(parts) == 3 else 0)


def looked_at(number):
    """The job as it is now: its end is noticed, and its time limit kept, when somebody looks."""
    job = read(number)
    if job is None or job["state"] in ("CANCELLED", "COMPLETED", "TIMEOUT"):
        return job
    over = job["limit"] is not None and time.time() > job["began"] + job["limit"]
    if over and not job["over"]:
        job["over"] = True
        signalled(job, signal.SIGTERM)
    if not lives(job["pid"]):
        job["state"] = "TIMEOUT" if job["over"] else "CANCELLED" if job["told"] else "COMPLETED"
    elif job["told"]:
        job["state"] = "COMPLETING"
    write(job)
    return job


def signalled(job, what):
    try:
        os.killpg(job["pid"], what)
    except ProcessLookupError:
        pass


def options(words):
    """`--name=value` and `--name` as a mapping, and the rest."""
    named = {}
    rest = []
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            named[name] = value
        else:
            rest.append(word)
    return named, rest


def sbatch(words):
    named, rest = options(words)
    with open(named["export-file"], "rb") as file:
        pairs = [entry.decode() for entry in file.read().split(b"\0") if entry]
    env = dict(pair.split("=", 1) for pair in pairs)
    number = 1
    while True:
        try:
            os.close(os.open(path_of(number), os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            number += 1
    env.update(SLURM_JOB_ID=str(number), SLURMD_NODENAME="n1")
    output = open(named["output"].replace("%%", "%"), "ab")
    process = subprocess.Popen(
        ["sh", rest[0]], env=env, cwd=named["chdir"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
    )
    write({
        "id": number, "name": named["job-name"], "folder": named["chdir"], "pid": process.pid, "began": time.time(),
        "limit": seconds_of(named.get("time")), "state": "RUNNING", "comment": "", "told": False, "over": False,
    })
    # It is the next look's business how it ends.
    print(number)


def field(job, letter):
    if letter == "L":
        if job["limit"] is None:
            return "UNLIMITED"
        left = max(0, int(job["began"] + job["limit"] - time.time()))
        return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
    return {
        "i": job["id"], "T": job["state"], "N": "n1", "S": "2026-11-29T00:00:00", "r": "None", "k": job["comment"] or "(null)",
        "j": job["name"], "Z": job["folder"],
    }[letter]


def squeue(words):
    named, _ = options(words)
    known = sorted(int(name[:-5]) for name in os.listdir(JOBS) if name.endswith(".json"))
    wanted = [int(number) for number in named["jobs"].split(",")] if "jobs" in named else known
    if "jobs" in named and not any(number in known for number in wanted):
        print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
        sys.exit(1)
    if "json" in named:
        jobs = [looked_at(number) for number in known]
        print(json.dumps({"jobs": [of_json(job) for job in jobs if job]}))
        return
    for number in wanted:
        job = looked_at(number)
        if job is None or named.get("name", job["name"]) != job["name"]:
            continue
        print("|".join(str(field(job, code[1])) for code in named["format"].split("|")))


def of_json(job):
    # As 24.11 has it.
    some = lambda number: {"set": number is not None, "infinite": number is None, "number": int(number or 0)}
    return {
        "job_id": job["id"], "job_state": [job["state"]], "name": job["name"], "user_name": "me", "user_id": 1000, "nodes": "n1",
        "gres_detail": ["gpu:v100:1(IDX:0)"], "time_limit": some(None if job["limit"] is None else max(1, job["limit"] // 60)),
        "end_time": some(job["began"] + (job["limit"] or 0)),
    }


def sinfo(words):
    jobs = [looked_at(int(name[:-5])) for name in os.listdir(JOBS) if name.endswith(".json")]
    used = sum(1 for job in jobs if job and job["state"] in ("RUNNING", "COMPLETING"))
    group = lambda name, state, reason, used: {
        "node": {"state": state}, "nodes": {"nodes": [name]}, "cpus": {"total": 64, "allocated": used}, "partition": {"name": "gpu"},
        "gres": {"total": "gpu:v100:4", "used": f"gpu:v100:{used}(IDX:0-3)"}, "reason": {"description": reason},
    }
    print(json.dumps({"sinfo": [group("n1", ["MIXED"], "", used), group("n2", ["IDLE", "DRAIN"], "fan broken", 0)]}))


def scontrol(words):
    if words[:2] == ["--oneliner", "show"]:
        if words[2] == "node":
            print(f"NodeName={words[3]} NodeAddr=127.0.0.1 State=IDLE ")
            return
        job = looked_at(int(words[3]))
        if job is None:
            print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
            sys.exit(1)
        signal_of = {"TIMEOUT": "0:9"}.get(job["state"], "0:0")
        print(f"JobId={job['id']} JobName={job['name']} JobState={job['state']} Reason=None ExitCode={signal_of} AllocNode:Sid={os.uname().nodename}:1 ")
        return
    changes = dict(word.split("=", 1) for word in words[1:])
    number = next(value for name, value in changes.items() if name.lower() == "jobid")
    for _ in range(100):
        # The job itself may be earlier than what `sbatch` notes of it.
        job = read(int(number))
        if job is not None:
            break
        time.sleep(0.05)
    for name, value in changes.items():
        if name == "Comment":
            job["comment"] = value
        elif name == "TimeLimit":
            job["limit"] = seconds_of(value)
    write(job)


def scancel(words):
    named, rest = options(words)
    job = looked_at(int(rest[0]))
    # Of a job that never was it says nothing.
    if job is not None and lives(job["pid"]):
        job["told"] = True
        write(job)
        signalled(job, signal.SIGKILL if named.get("signal") == "KILL" else signal.SIGTERM)


def main():
    program, words = sys.argv[1], sys.argv[2:]
    os.makedirs(JOBS, exist_ok=True)
    with open(os.path.join(FOLDER, "calls"), "a") as file:
        file.write(" ".join([f"{time.time():.3f}", program, *words]).replace("\n", " ") + "\n")
    {"sbatch": sbatch, "squeue": squeue, "scontrol": scontrol, "scancel": scancel, "sinfo": sinfo}[program](words)


main()
