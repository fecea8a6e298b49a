# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a 100 MB result comes from a real hub process into a client's arrays, against a bare pyzmq loop.

The bare loop is two processes and nothing else: a ROUTER that sends the same frames (routing id, signature, header,
1 MiB of payload) against the same credit, and a DEALER that copies each payload to its place in one array. It knows
no jobs, checks no header, and verifies no hash. The rounds of both alternate. Besides: how long a cancel takes while
the result streams, and how long one `poll` keeps the caller.

    python -m tests.benchmarks.streaming [--rounds 7] [--megabytes 100] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import zmq

from backend.hub.server import Hub, HubOptions
from backend.hub.states import Done, Started
from protocol import framing
from protocol.arrays import FRAME_BYTES, describe
from protocol.client import Client, new_job_id
from protocol.messages import Chunk
from protocol.specs import TextTo3DSpec
from protocol.updates import JobChanged, JobFinished

BAR = 0.80  # of the bare loop's speed
CANCEL_BAR = 0.020  # seconds, 99 of 100
WINDOW = 4  # frames on their way, in both
CANCELS = 200
HUGE = 120.0  # seconds; a guard, never a measurement


def payload(megabytes: int) -> np.ndarray:
    """Bytes that do not compress, the same in every process."""
    return np.random.default_rng(5).integers(0, 256, megabytes * 1_000_000, np.uint8)


# Other processes

def serve(folder: Path, megabytes: int, encrypt: bool) -> None:
    """A hub with one job that has succeeded, and as many that wait as there are cancels."""
    hub = Hub(HubOptions(folder, worker=False, encrypt=encrypt))
    desk, store = hub.desk, hub.store
    job = "0" * 31 + "1"
    store.submit(job, "local", "text_to_3d", TextTo3DSpec("x").to_map(), "x")
    row = desk.apply(desk.lease(store.job(job), "w"), Started())
    one, data = describe("data", payload(megabytes))
    for begin in range(0, len(data), FRAME_BYTES):
        hub.blobs.put(one.hash, begin, one.size, data[begin : begin + FRAME_BYTES])
    desk.apply(row, Done(), [one])
    (folder / "ready").touch()
    hub.run(lambda: True)


def bare(folder: Path, megabytes: int, encrypt: bool) -> None:
    """The bare sender: waits for one message, then streams against credit, for ever."""
    data = memoryview(payload(megabytes))
    digest = hashlib.sha256(data).digest()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.linger, socket.sndhwm, socket.router_mandatory = 0, 64, 1
    public, secret = zmq.curve_keypair()
    if encrypt:
        socket.curve_server, socket.curve_secretkey = True, secret
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    heads = {
        begin: framing.encode(Chunk(1, digest, begin, len(data), (b"",)).to_envelope())[:2]
        for begin in range(0, len(data), FRAME_BYTES)
    }
    (folder / "bare.json").write_text(json.dumps([port, public.decode()]))
    while True:
        peer = socket.recv_multipart()[0]
        credit, offset = WINDOW, 0
        while offset < len(data):
            if credit == 0:
                peer = socket.recv_multipart()[0]
                credit += 1
                continue
            socket.send_multipart([peer, *heads[offset], data[offset : offset + FRAME_BYTES]], copy=True)
            offset, credit = offset + FRAME_BYTES, credit - 1
        while credit < WINDOW:  # the last credits
            socket.recv_multipart()
            credit += 1


@contextlib.contextmanager
def child(role: str, folder: Path, megabytes: int, encrypt: bool, marker: str) -> Iterator[psutil.Process]:
    """A process of this file in another role, once it is ready."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.streaming", "--role", role, "--folder", str(folder),
               "--megabytes", str(megabytes), *(["--encrypt"] if encrypt else [])]
    process = subprocess.Popen(command)
    try:
        found = psutil.Process(process.pid)
        end = time.monotonic() + HUGE
        while not (folder / marker).exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the {role} process did not come up")
            time.sleep(0.02)
        yield found
    finally:
        process.terminate()
        process.wait(10)


# What is measured

def cpu_seconds(other: psutil.Process) -> float:
    """Of this process and another one, all threads: what does not depend on how busy the machine is."""
    mine, others = time.process_time(), other.cpu_times()
    return mine + others.user + others.system


def bare_round(socket: zmq.Socket[bytes], target: np.ndarray) -> float:
    """Seconds for one transfer by the bare loop."""
    view, offset = memoryview(target), 0
    began = time.perf_counter()
    socket.send(b"")
    while offset < len(view):
        frames = socket.recv_multipart(copy=False)
        data = frames[2].buffer
        view[offset : offset + len(data)] = data
        offset += len(data)
        socket.send(b"")
    return time.perf_counter() - began


def our_round(client: Client, job: str, ticks: list[float] | None = None) -> float:
    """Seconds from asking for a finished job to its verified result. ticks: gets the CPU seconds of each `poll`."""
    began = time.perf_counter()
    client.watch(job)
    while True:
        before = time.thread_time()
        updates = client.poll(0.004)
        if ticks is not None:
            ticks.append(time.thread_time() - before)
        if any(isinstance(one, JobFinished) for one in updates):
            break
        if not updates:
            client._sockets.wait(0.05)
    seconds = time.perf_counter() - began
    client.forget(job)
    return seconds


def cancels(client: Client, job: str, count: int) -> list[float]:
    """Seconds from `cancel` to the event that says so, in order, each while the result of `job` streams, if any."""
    waiting = [client.submit(TextTo3DSpec("x"), job=new_job_id()) for _ in range(count)]
    _until(client, lambda: all(client.jobs[one].seq >= 1 for one in waiting))
    found: list[float] = []
    if job:
        client.watch(job)
    for one in waiting:
        pause = time.perf_counter() + 0.005
        while time.perf_counter() < pause:  # the stream gets going again
            _keep_streaming(client, job, client.poll(0.004))
        began = time.perf_counter()
        client.cancel(one)
        while True:
            updates = client.poll(0.004)
            if any(isinstance(update, JobChanged) and update.job == one for update in updates):
                break
            _keep_streaming(client, job, updates)
            client._sockets.wait(0.001)
        found.append(time.perf_counter() - began)
        _keep_streaming(client, job, updates)
    client.forget(job)
    return sorted(found)


def _keep_streaming(client: Client, job: str, updates: list[object]) -> None:
    if any(isinstance(one, JobFinished) for one in updates):
        client.forget(job)
        client.watch(job)


def _until(client: Client, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + HUGE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("it never came")
        client.poll(0.01)


def measure(folder: Path, megabytes: int, rounds: int, encrypt: bool, count: int = CANCELS) -> dict[str, float]:
    """All figures for one kind of connection."""
    expected = hashlib.sha256(payload(megabytes)).digest()
    ours: list[tuple[float, float]] = []  # wall and CPU seconds
    theirs: list[tuple[float, float]] = []
    ticks: list[float] = []
    job = "0" * 31 + "1"
    with (
        child("hub", folder / "hub", megabytes, encrypt, "ready") as hub,
        child("bare", folder / "bare", megabytes, encrypt, "bare.json") as loop,
        Client.local(folder / "hub") as client, zmq.Context() as context, context.socket(zmq.DEALER) as socket,
    ):
        client.wait_connected(HUGE)
        port, public = json.loads((folder / "bare" / "bare.json").read_text())
        socket.linger = 0
        if encrypt:
            socket.curve_serverkey = public.encode()
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.connect(f"tcp://127.0.0.1:{port}")
        for number in range(rounds + 1):
            target = np.empty(megabytes * 1_000_000, np.uint8)
            busy = [cpu_seconds(loop)]
            one = bare_round(socket, target)
            busy += [cpu_seconds(loop), cpu_seconds(hub)]
            del target
            two = our_round(client, job, ticks if number else None)
            busy += [cpu_seconds(hub)]
            if number:  # the first warms up
                theirs.append((one, busy[1] - busy[0]))
                ours.append((two, busy[3] - busy[2]))
        client.watch(job)
        assert hashlib.sha256(client.wait(job, HUGE).arrays["data"]).digest() == expected
        client.forget(job)
        waits, calm = cancels(client, job, count), cancels(client, "", count // 2)
    (wall, busy), (our_wall, our_busy) = (
        [statistics.median(column) for column in zip(*rows, strict=True)] for rows in (theirs, ours)
    )
    best = [min(row[0] for row in rows) for rows in (theirs, ours)]
    return {
        "ratio of best": best[0] / best[1],
        "bare MB/s": megabytes / wall, "ours MB/s": megabytes / our_wall, "ratio": wall / our_wall,
        "bare CPU s/GB": 1e3 * busy / megabytes, "ours CPU s/GB": 1e3 * our_busy / megabytes,
        "cancel p50 ms": 1e3 * waits[len(waits) // 2], "cancel p99 ms": 1e3 * waits[int(0.99 * len(waits))],
        "cancel without stream p50 ms": 1e3 * calm[len(calm) // 2],
        "cancel without stream p99 ms": 1e3 * calm[int(0.99 * len(calm))],
        "poll p50 ms": 1e3 * statistics.median(ticks), "poll p99 ms": 1e3 * sorted(ticks)[int(0.99 * len(ticks))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--role", choices=("hub", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--encrypt", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        (serve if given.role == "hub" else bare)(given.folder, given.megabytes, given.encrypt)
        return
    found: dict[str, dict[str, float]] = {}
    for name, encrypt in (("tcp", False), ("tcp + CURVE", True)):
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measure(Path(folder), given.megabytes, given.rounds, encrypt)
        print(f"{name:12}" + "  ".join(f"{key} {value:.2f}" for key, value in found[name].items()), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
