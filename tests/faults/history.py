# SPDX-License-Identifier: GPL-3.0-or-later
"""A history of kills: hub, workers and clients are killed at random under a load of small jobs, then all is counted.

    python tests/faults/history.py --kills 300 --out out/history        the bar
    python tests/faults/history.py --minutes 5 --every 10               a soak: also memory and files of the hub

The clients are processes of their own. Each writes a job's key to its journal and syncs it before the job is sent,
and every acknowledgement, event and result as it hears of it; a client that is started again knows only its journal.
At the end nobody is killed any more, every job must come to its end, and journals, store and blobs are compared:

    attempted     keys in the journals
    acknowledged  jobs that a client heard ACCEPTED for
    recovered     never acknowledged to the client that sent them (it was killed), found at the hub all the same
    lost          acknowledged and unknown to the hub, or without an end          the bar is 0
    duplicated    a job with two ends, an effect twice, an event heard twice     the bar is 0
    damaged       a result that is not what the request makes, a blob whose bytes do not have its hash; 0
    unexpected    a job at the hub that nobody wanted; 0
    poisoned      three attempts each lost their worker to us: ended as it should, and counted apart
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "backend" / "worker"), str(ROOT)]

import psutil  # noqa: E402
from hub_process import HubProcess, wait_for  # noqa: E402
from scripted_jobs import mesh  # noqa: E402

from protocol.client import Client, new_job_id  # noqa: E402
from protocol.specs import TextTo3DSpec  # noqa: E402
from protocol.updates import JobAccepted, JobChanged, JobFailed, JobFinished, JobWarning  # noqa: E402

IN_FLIGHT = 6  # jobs of one client at a time
PROMPT = "steps=4 delay=0.03 warn=careful"
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


# A client process


class Journal:
    """What one client knows for sure: one JSON map a line. A line that a kill cut off is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        if path.exists():
            whole = path.read_bytes()
            whole = whole[: whole.rfind(b"\n") + 1]
            self.lines = [json.loads(line) for line in whole.splitlines()]
            os.truncate(path, len(whole))
        self._file = path.open("ab", buffering=0)

    def write(self, sync: bool = False, **line: Any) -> None:
        """Add a line; `sync`: before anything else happens."""
        self.lines.append(line)
        self._file.write(json.dumps(line).encode() + b"\n")
        if sync:
            os.fsync(self._file.fileno())


def fingerprint(arrays: dict[str, Any]) -> str:
    """A hash of the mesh in a result."""
    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in ("vertices", "faces"))).hexdigest()


def run_client(data: Path, path: Path, stop: Path) -> int:
    """Keep some jobs in flight until the stop file appears, then wait for their ends."""
    journal = Journal(path)
    open_jobs: dict[str, int] = {}
    accepted, seen, last, seed = set(), Counter[str](), dict[str, int](), 0
    for line in journal.lines:  # what the one before us knew
        job = line["job"]
        if line["what"] == "submit":
            open_jobs[job], seed = line["seed"], line["seed"] + 1
        elif line["what"] == "accepted":
            accepted.add(job)
        elif line["what"] == "event":
            seen[job] = line["seq"]
        elif line["what"] == "end":
            open_jobs.pop(job, None)
    journal.write(what="start", job="")
    with Client.local(data, software="history") as client:
        for job, number in open_jobs.items():
            if job in accepted:
                client.watch(job, seen[job])
            else:
                client.submit(TextTo3DSpec(PROMPT, seed=number), job=job)
        while open_jobs or not stop.exists():
            if len(open_jobs) < IN_FLIGHT and not stop.exists():
                job = new_job_id()
                journal.write(sync=True, what="submit", job=job, seed=seed)
                open_jobs[job] = seed
                client.submit(TextTo3DSpec(PROMPT, seed=seed), job=job)
                seed += 1
            for update in client.poll(0.02):
                if isinstance(update, JobAccepted):
                    journal.write(what="accepted", job=update.job)
                elif isinstance(update, JobChanged) and update.state in FINAL:
                    last[update.job] = update.seq  # written with the result: a success is not heard without it
                elif isinstance(update, JobChanged):
                    seen[update.job] = update.seq
                    journal.write(what="event", job=update.job, seq=update.seq)
                elif isinstance(update, JobWarning):  # durable and in its place, but without a number of its own
                    seen[update.job] += 1
                    journal.write(what="event", job=update.job, seq=seen[update.job])
                elif isinstance(update, (JobFinished, JobFailed)):
                    ended = {"hash": fingerprint(update.result.arrays)} if isinstance(update, JobFinished) else {
                        "error": update.error.code, "text": str(update.error)}
                    journal.write(sync=True, what="end", job=update.job, seq=last[update.job], **ended)
                    open_jobs.pop(update.job, None)
                    client.forget(update.job)
            time.sleep(0.01)
    return 0


# Kills


@dataclass
class Counts:
    """What the history amounts to."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    attempted: int = 0
    acknowledged: int = 0
    succeeded: int = 0
    recovered: int = 0
    poisoned: int = 0
    events: int = 0
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether the bar is met."""
        return not (self.lost or self.duplicated or self.damaged or self.unexpected)


class Stage:
    """The processes of one history. folder: for the hub's data and the journals."""

    def __init__(self, folder: Path, clients: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.hub = HubProcess(folder / "data")
        self.hub.folder.mkdir(exist_ok=True)
        self.journals = [folder / f"client-{number}.jsonl" for number in range(clients)]
        self.stop_file = folder / "stop"
        self.clients: list[subprocess.Popen[bytes] | None] = [None] * clients

    def start_client(self, number: int) -> None:
        command = [sys.executable, __file__, "--client", str(self.journals[number]), "--data", str(self.hub.folder),
                   "--stop", str(self.stop_file)]
        self.clients[number] = subprocess.Popen(command, env=self.hub.environment())

    def kill(self, what: str, rng: random.Random) -> bool:
        """Kill one process of a kind and start it again (a worker's hub does that). False when there was none."""
        if what == "hub":
            self.hub.kill()
            self.hub.start()
        elif what == "worker":
            workers = self.hub.workers()
            if not workers:
                return False
            with contextlib.suppress(psutil.Error):
                rng.choice(workers).kill()
        else:
            number = rng.randrange(len(self.clients))
            process = self.clients[number]
            assert process is not None
            process.kill()
            process.wait()
            self.start_client(number)
        return True

    def close(self) -> None:
        for process in self.clients:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self.hub.close()


def run_history(
    folder: Path, kills: int, seed: int, clients: int = 2, pause: tuple[float, float] = (0.2, 1.4),
    minutes: float = 0.0, every: float = 0.0, say: Any = print,
) -> tuple[Counts, list[dict[str, float]]]:
    """Let it happen; gives the counts, and for a soak (`minutes`) the hub's memory and files as time went by."""
    rng, counts = random.Random(seed), Counts(seed)
    stage, done, samples = Stage(folder, clients), Counter[str](), list[dict[str, float]]()
    began = time.monotonic()
    try:
        stage.hub.start()
        for number in range(clients):
            stage.start_client(number)
        while sum(done.values()) < kills if not minutes else time.monotonic() - began < 60.0 * minutes:
            time.sleep(every or rng.uniform(*pause))
            if minutes:  # a killed hub starts with fresh memory, so a soak leaves it alone
                hub = psutil.Process(stage.hub.process.pid)  # type: ignore[union-attr]
                samples.append({"s": time.monotonic() - began, "rss": hub.memory_info().rss, "files": hub.num_fds()})
            what = rng.choice(["worker", "client"] if minutes else ["hub", "worker", "client"])
            done[what] += stage.kill(what, rng)
            if sum(done.values()) % 25 == 0:
                say(f"{time.monotonic() - began:6.0f} s, kills {dict(done)}", flush=True)
        stage.stop_file.touch()
        wait_for(lambda: all(one.poll() is not None for one in stage.clients if one is not None), "the last jobs",
                 seconds=300.0)
        counts.kills, counts.seconds = dict(done), time.monotonic() - began
    finally:
        stage.close()
    check(stage, counts)
    return counts, samples


# The checker


def check(stage: Stage, counts: Counts) -> None:
    """Compare journals, store and blobs; fills the counts. The hub has been stopped."""
    store = sqlite3.connect(f"file:{stage.hub.folder / 'hub.sqlite'}?mode=ro", uri=True)
    jobs = {job: (state, last) for job, state, last in store.execute("SELECT id, state, last_seq FROM jobs")}
    wanted: dict[str, int] = {}
    for path in stage.journals:
        lines = Journal(path).lines
        heard: Counter[tuple[str, int]] = Counter()
        ends: dict[str, list[dict[str, Any]]] = {}
        accepted: set[str] = set()
        for line in lines:
            job = line["job"]
            if line["what"] == "submit":
                wanted[job] = line["seed"]
            elif line["what"] == "accepted":
                accepted.add(job)
            elif line["what"] == "event":
                heard[job, line["seq"]] += 1
            elif line["what"] == "end":
                ends.setdefault(job, []).append(line)
                heard[job, line["seq"]] += 1
        mine = [line["job"] for line in lines if line["what"] == "submit"]
        counts.attempted += len(mine)
        counts.acknowledged += len(accepted)
        counts.recovered += len([job for job in mine if job in jobs and job not in accepted])
        counts.events += len(heard)
        counts.duplicated += [f"{job} event {seq} heard {n} times" for (job, seq), n in heard.items() if n > 1]
        for job in mine:
            if job not in jobs or jobs[job][0] not in FINAL or not ends.get(job):
                counts.lost.append(f"{job}: {jobs.get(job, 'unknown')}, ends {len(ends.get(job, []))}")
                continue
            if len(ends[job]) > 1:
                counts.duplicated.append(f"{job} ended {len(ends[job])} times for its client")
            numbers = {seq for name, seq in heard if name == job}
            if numbers != set(range(1, jobs[job][1] + 1)):
                counts.lost.append(f"{job}: heard events {sorted(numbers)} of {jobs[job][1]}")
            end = ends[job][-1]
            if end.get("error") == "poison":
                counts.poisoned += 1
            elif "error" in end:
                counts.lost.append(f"{job}: {end['error']}: {end['text']}")
            elif end["hash"] != fingerprint(mesh(50, wanted[job])):
                counts.damaged.append(f"{job}: the result is another one")
            else:
                counts.succeeded += 1
    counts.unexpected += [job for job in jobs if job not in wanted]
    check_store(store, stage.hub.folder, counts)
    store.close()


def check_store(store: sqlite3.Connection, data: Path, counts: Counts) -> None:
    """Effects once, logs without gaps, poison only after real losses, blobs by their hashes."""
    counts.attempts = store.execute("SELECT count(*) FROM attempts").fetchone()[0]
    outcomes: dict[str, list[str]] = {}
    for job, outcome in store.execute("SELECT job, outcome FROM attempts ORDER BY job, fence"):
        outcomes.setdefault(job, []).append(str(outcome))
    for job, found in outcomes.items():
        if found.count("SUCCEEDED") > 1:
            counts.duplicated.append(f"{job} has its effect {found.count('SUCCEEDED')} times")
    for job, last, number in store.execute(
        "SELECT id, last_seq, (SELECT count(*) FROM events WHERE job=id) FROM jobs"
    ):
        if last != number:
            counts.damaged.append(f"{job}: {number} events, the last is {last}")
    for digest, size in store.execute("SELECT hash, size FROM blobs"):
        path = data / "blobs" / digest.hex()[:2] / digest.hex()
        if not path.exists():
            if store.execute("SELECT 1 FROM artefacts WHERE hash=?", (digest,)).fetchone():
                counts.damaged.append(f"blob {digest.hex()[:16]} is missing")
            continue
        whole = path.read_bytes()
        if len(whole) != size or hashlib.sha256(whole).digest() != digest:
            counts.damaged.append(f"blob {digest.hex()[:16]} does not have its hash")
    if store.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
        counts.damaged.append("the store")


def slope(samples: list[dict[str, float]], key: str) -> float:
    """Growth an hour by least squares, over the second half (the first is warming up)."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return 0.0
    mean_s, mean_v = (sum(one[name] for one in half) / len(half) for name in ("s", key))
    above = sum((one["s"] - mean_s) * (one[key] - mean_v) for one in half)
    return 3600.0 * above / max(1e-9, sum((one["s"] - mean_s) ** 2 for one in half))


def report(counts: Counts, samples: list[dict[str, float]]) -> str:
    """The counts as text."""
    lines = [
        f"seed {counts.seed}; {sum(counts.kills.values())} kills in {counts.seconds:.0f} s: "
        + ", ".join(f"{what} {number}" for what, number in sorted(counts.kills.items())),
        f"attempted {counts.attempted}, acknowledged {counts.acknowledged}, recovered {counts.recovered}, "
        f"succeeded {counts.succeeded}, poisoned {counts.poisoned}; {counts.attempts} attempts, {counts.events} events",
        f"lost {len(counts.lost)}, duplicated {len(counts.duplicated)}, damaged {len(counts.damaged)}, "
        f"unexpected {len(counts.unexpected)}: {'the bar is met' if counts.held else 'THE BAR IS MISSED'}",
    ]
    for name in ("lost", "duplicated", "damaged", "unexpected"):
        lines += [f"  {name}: {one}" for one in getattr(counts, name)[:20]]
    if samples:
        lines.append(
            f"hub memory {samples[0]['rss'] / 2**20:.1f} -> {samples[-1]['rss'] / 2**20:.1f} MiB "
            f"({slope(samples, 'rss') / 2**20:+.2f} MiB an hour over the second half), open files "
            f"{samples[0]['files']:.0f} -> {samples[-1]['files']:.0f}"
        )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0.0, help="soak for so long instead of counting kills")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between the kills of a soak")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**31)
    parser.add_argument("--out", type=Path, help="keeps journals, store and blobs here; must be empty or absent")
    parser.add_argument("--client", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stop", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.client:
        return run_client(options.data, options.client, options.stop)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        if folder.exists() and any(folder.iterdir()):
            parser.error(f"{folder} is not empty")
        counts, samples = run_history(
            folder.resolve(), options.kills, options.seed, options.clients, minutes=options.minutes,
            every=options.every if options.minutes else 0.0,
        )
        print(report(counts, samples))
        if options.out:
            (folder / "counts.json").write_text(json.dumps({**asdict(counts), "samples": samples}, indent=1))
    return 0 if counts.held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
