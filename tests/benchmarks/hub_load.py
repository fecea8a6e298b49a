# SPDX-License-Identifier: GPL-3.0-or-later
"""A full studio on one hub: 200 clients of four users queue 10,000 jobs, then workers share them out.

    python tests/benchmarks/hub_load.py --out out/hub_load.json
    python tests/benchmarks/hub_load.py --clients 20 --jobs 400 --share-seconds 10     a quick look

The hub is a process of its own, encrypted as always. Clients are protocol sessions on real sockets, many to a
process; each submits at random moments, at `--rate` jobs a second in total, and what is measured is the time from the
send to ACCEPTED (which means: on the disk). Workers are conversations on real sockets whose jobs only wait; the jobs
of each user take another time, so that equal counts of jobs would not be equal shares. Printed beside the bars: how
busy the machine was, and the hub's own processor time for one submission, which does not depend on that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import zmq  # noqa: E402

from backend.hub.accounts import Accounts  # noqa: E402
from backend.hub.store import Store  # noqa: E402
from backend.worker.conversation import Conversation  # noqa: E402
from protocol.arrays import describe  # noqa: E402
from protocol.errors import NotConnected  # noqa: E402
from protocol.keys import KeyPair, Keys  # noqa: E402
from protocol.local import ConnectionInfo, read_connection_file  # noqa: E402
from protocol.session import BLK, CTL, Session  # noqa: E402
from protocol.specs import TextTo3DSpec  # noqa: E402
from protocol.updates import ConnectionState, JobAccepted, JobFailed  # noqa: E402

USERS = {"ada": 0.05, "ben": 0.1, "cleo": 0.2, "dan": 0.4}  # seconds that a job of each user takes
BARS = {"submit p99 ms": 20.0, "hub memory MiB": 300.0, "share off by %": 5.0, "hub start s": 1.0}
WORKERS = 8


@dataclass
class Light:
    """One client without a thread of its own. sent: when each job was handed to the socket."""

    session: Session
    sockets: dict[str, zmq.Socket[bytes]]
    due: list[float]
    user: str
    sent: dict[str, float] = field(default_factory=dict)

    def turn(self, now: float) -> None:
        """Send and receive what there is."""
        self.flush()
        for channel, socket in self.sockets.items():
            while int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                frames = socket.recv_multipart(zmq.NOBLOCK, copy=False)
                self.session.receive(channel, [one.buffer for one in frames], now)
        self.session.tick(now)
        self.flush()

    def flush(self) -> None:
        for channel, queue in self.session.outbox.items():
            while queue:
                try:
                    self.sockets[channel].send_multipart(queue[0], zmq.NOBLOCK)
                except zmq.Again:
                    break
                queue.popleft()


def dealer(context: zmq.Context[Any], address: str, keys: Keys | None) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.DEALER)
    for option, value in ((zmq.LINGER, 0), (zmq.IMMEDIATE, 1), (zmq.SNDHWM, 64)):
        socket.setsockopt(option, value)
    if keys is not None:
        keys.secure(socket)
    socket.connect(address)
    return socket


def run_clients(data: Path, keys: dict[str, str], count: int, jobs: int, rate: float, seed: int) -> None:
    """Many clients in this process: prints their latencies as JSON when the last job is accepted, then stays."""
    info, rng, context = read_connection_file(data), random.Random(seed), zmq.Context()
    clients = []
    for number in range(count):
        user = sorted(keys)[number % len(keys)]
        own = Keys(bytes.fromhex(info.server_key), bytes.fromhex(keys[user]))
        session = Session(software="load", token=b"", new_id=lambda: os.urandom(16))
        clients.append(Light(session, {one: dealer(context, info.address, own) for one in (CTL, BLK)}, [], user))
        session.opened(time.monotonic())
    turn_until(clients, lambda: all(one.session.state is ConnectionState.READY for one in clients), 120.0)
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    for one in clients:
        one.due = sorted(begin + rng.uniform(0.0, jobs / rate) for _ in range(jobs // count))
    latencies: list[float] = []
    failed: list[str] = []
    wanted = sum(len(one.due) for one in clients)
    poller = zmq.Poller()
    for one in clients:
        for socket in one.sockets.values():
            poller.register(socket, zmq.POLLIN)
    while len(latencies) + len(failed) < wanted:
        poller.poll(2)
        now = time.monotonic()
        for one in clients:
            while one.due and one.due[0] <= now:
                one.due.pop(0)
                job = os.urandom(16).hex()
                one.session.submit(TextTo3DSpec("a chair", seed=int(1000 * USERS[one.user])), job, now)
                one.sent[job] = time.monotonic()
            one.turn(now)
            for update in one.session.updates:
                if isinstance(update, JobAccepted):
                    latencies.append(time.monotonic() - one.sent.pop(update.job))
                elif isinstance(update, JobFailed) and one.sent.pop(update.job, None) is not None:
                    failed.append(str(update.error))
            one.session.updates.clear()
    print(json.dumps({"latencies": latencies, "failed": failed, "seconds": time.monotonic() - begin}), flush=True)
    turn_until(clients, lambda: False, 1e9)


def turn_until(clients: list[Light], condition: Any, seconds: float) -> None:
    poller = zmq.Poller()
    for one in clients:
        for socket in one.sockets.values():
            poller.register(socket, zmq.POLLIN)
    end = time.monotonic() + seconds
    while not condition():
        poller.poll(20)
        for one in clients:
            one.turn(time.monotonic())
            one.session.updates.clear()
        if time.monotonic() > end:
            raise NotConnected(f"Not ready after {seconds:.0f} s.")


@dataclass
class LightWorker:
    """A worker whose jobs only take time."""

    talk: Conversation
    socket: zmq.Socket[bytes]
    ends: float = 0.0

    def turn(self, now: float) -> None:
        """Take a lease, wait its time out, deliver a few bytes."""
        while int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self.talk.receive([one.buffer for one in self.socket.recv_multipart(zmq.NOBLOCK, copy=False)], now)
        if self.talk.leases:
            held = self.talk.leases.popleft()
            if self.talk.begin(held, now):
                self.ends = now + held.lease.spec["seed"] / 1000
        if self.talk.held is not None and self.talk.computing and now >= self.ends:
            result = describe("report", np.frombuffer(b'{"job": "%s"}' % self.talk.held.lease.job.encode(), np.uint8))
            self.talk.deliver(self.talk.held, [result], now)
        self.talk.tick(now)
        while self.talk.outbox:
            try:
                self.socket.send_multipart(self.talk.outbox[0], zmq.NOBLOCK)
            except zmq.Again:
                break
            self.talk.outbox.popleft()


def share(info: ConnectionInfo, data: Path, seconds: float) -> dict[str, float]:
    """Let workers take jobs for so long; gives the device seconds of each user as the hub booked them."""
    context, token = zmq.Context(), bytes.fromhex(info.token)
    workers = []
    for number in range(WORKERS):
        talk = Conversation(f"load-{number}", os.getpid(), token, lambda: os.urandom(16), state="idle")
        workers.append(LightWorker(talk, dealer(context, info.back_address, info.worker_keys)))
        talk.opened(time.monotonic())
    poller = zmq.Poller()
    for one in workers:
        poller.register(one.socket, zmq.POLLIN)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        poller.poll(2)
        for one in workers:
            one.turn(time.monotonic())
    with contextlib.closing(sqlite3.connect(f"file:{data / 'hub.sqlite'}?mode=ro", uri=True)) as db:
        used = dict(db.execute("SELECT user, total FROM usage"))
    context.destroy(linger=0)
    return used


def add_users(data: Path) -> dict[str, str]:
    """Users without a limit of queued jobs, in the store of a hub that does not run yet; gives their secret keys."""
    data.mkdir(parents=True, exist_ok=True)
    store = Store(data / "hub.sqlite", time.time)
    accounts, secrets = Accounts(store, time.time), {}
    for name in USERS:
        pair = KeyPair.new()
        accounts.put_user("load", name, "artist", {"queued_jobs": 0}, new=True)
        accounts.put_key("load", name, pair.public)
        secrets[name] = pair.secret.hex()
    store.close()
    return secrets


def start_hub(data: Path) -> tuple[subprocess.Popen[bytes], float]:
    """A hub without workers; gives it and the seconds until it answered."""
    (data / "connection.json").unlink(missing_ok=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "backend.cli", "serve", "--data", str(data), "--quiet", "--no-worker"]
    hub = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while True:
        with contextlib.suppress(NotConnected):
            if read_connection_file(data).pid == hub.pid:
                return hub, time.monotonic() - began
        time.sleep(0.005)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The whole load; gives all figures."""
    data = folder / "data"
    secrets = add_users(data)
    hub, _ = start_hub(data)  # the first start makes tables and keys
    hub.terminate()
    hub.wait()
    hub, started = start_hub(data)
    process, loaders = psutil.Process(hub.pid), []
    figures: dict[str, Any] = {"clients": options.clients, "hub start s": started}
    try:
        heavy = [one.path for one in process.memory_maps() if "torch" in one.path]
        figures["torch imported"] = bool(heavy)
        figures["hub memory at start MiB"] = process.memory_info().rss / 2**20
        for number in range(options.processes):
            command = [sys.executable, __file__, "--load", str(data), "--clients",
                       str(options.clients // options.processes), "--jobs", str(options.jobs // options.processes),
                       "--rate", str(options.rate / options.processes), "--seed", str(options.seed + number),
                       "--keys", json.dumps(secrets)]
            loaders.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for one in loaders:
            assert one.stdout is not None and one.stdout.readline() == "ready\n"
        before, busy = sum(process.cpu_times()[:2]), psutil.cpu_times_percent()
        for one in loaders:
            one.stdin.write("go\n")  # type: ignore[union-attr]
            one.stdin.flush()  # type: ignore[union-attr]
        answers = [json.loads(one.stdout.readline()) for one in loaders]  # type: ignore[union-attr]
        busy = psutil.cpu_times_percent()
        latencies = np.array([one for answer in answers for one in answer["latencies"]])
        figures |= {
            "jobs queued": len(latencies), "refused": sum(len(answer["failed"]) for answer in answers),
            "jobs a second": len(latencies) / max(answer["seconds"] for answer in answers),
            "submit p50 ms": 1e3 * float(np.percentile(latencies, 50)),
            "submit p99 ms": 1e3 * float(np.percentile(latencies, 99)),
            "submit worst ms": 1e3 * float(latencies.max()),
            "hub processor ms a submission": 1e3 * (sum(process.cpu_times()[:2]) - before) / len(latencies),
            "hub memory MiB": process.memory_info().rss / 2**20,
            "machine busy %": 100.0 - busy.idle, "load average": os.getloadavg()[0],
        }
        used = share(read_connection_file(data), data, options.share_seconds)
        shares = np.array([used.get(name, 0.0) for name in USERS])
        figures |= {
            "device seconds": dict(zip(USERS, shares.round(2).tolist(), strict=True)),
            "share off by %": 100.0 * float(np.abs(shares / shares.mean() - 1.0).max()) if shares.any() else 100.0,
            "Jain index": float(shares.sum() ** 2 / (len(shares) * (shares**2).sum())),
            "hub memory with workers MiB": process.memory_info().rss / 2**20,
        }
    finally:
        for one in loaders:
            one.kill()
        hub.terminate()
        hub.wait()
    hub, figures["hub start with a full queue s"] = start_hub(data)
    hub.terminate()
    hub.wait()
    figures["met"] = {name: figures[name] <= limit for name, limit in BARS.items()}
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as lines, with the bars beside them."""
    lines = []
    for name, value in figures.items():
        if name == "met":
            continue
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        bar = f"   bar {BARS[name]:g}: {'met' if figures['met'][name] else 'MISSED'}" if name in BARS else ""
        lines.append(f"{name:32} {shown}{bar}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=100.0, help="submissions a second, of all clients together")
    parser.add_argument("--processes", type=int, default=2, help="that hold the clients")
    parser.add_argument("--share-seconds", type=float, default=60.0, help="that workers share the queue out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--keys", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.load:
        run_clients(options.load, options.keys, options.clients, options.jobs, options.rate, options.seed)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options)
    print(table(figures))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))
    return 0 if all(figures["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
