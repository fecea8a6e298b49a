# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bad network does to a studio, on real sockets, with figures.

    python tests/faults/network.py                    everything at full length, about five minutes
    python tests/faults/network.py --only slow away

Each scenario starts a hub with a worker that runs scripted jobs, puts a proxy in front of it, and checks what must
hold: every job ends once with the right bytes, every durable event comes once and in order, the hub's memory grows
by no more than what a client was granted. `test_network` runs the same scenarios at a length for every day.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "backend" / "worker"), str(ROOT)]

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from hub_process import HubProcess, client_through, connection_through, wait_for  # noqa: E402
from proxy import Proxy  # noqa: E402
from scripted_jobs import mesh  # noqa: E402

from protocol.client import Client  # noqa: E402
from protocol.local import read_connection_file  # noqa: E402
from protocol.specs import TextTo3DSpec  # noqa: E402
from protocol.updates import ConnectionState, JobChanged, JobFailed, JobFinished, JobWarning  # noqa: E402

MIB = 1 << 20
BYTES_A_VERTEX = 96  # of a scripted result: 12 of positions, 24 of faces, 12 of normals, 48 of texture coordinates


class History:
    """What one client saw, and whether that is what it should have seen."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.specs: dict[str, TextTo3DSpec] = {}

    def submit(self, client: Client, prompt: str, seed: int) -> str:
        """Ask for a scripted job."""
        spec = TextTo3DSpec(prompt, seed=seed)
        job = client.submit(spec)
        self.specs[job] = spec
        return job

    def poll(self, client: Client, seconds: float = 0.0) -> None:
        """Take what has come; for so long."""
        end = time.monotonic() + seconds
        while True:
            self.seen += client.poll(0.02)
            if time.monotonic() >= end:
                return
            time.sleep(0.01)

    def finish(self, client: Client, jobs: list[str], seconds: float = 120.0) -> None:
        """Wait for their ends."""
        wait_for(lambda: self.poll(client) or all(client.jobs[job].over for job in jobs), "the jobs' ends",
                 seconds=seconds)

    def check(self, client: Client) -> int:
        """Raises AssertionError where something was lost, doubled or damaged; gives the number of durable events."""
        total = 0
        for job, spec in self.specs.items():
            view = client.jobs[job]
            assert view.error is None, view.error
            words = dict(word.split("=") for word in spec.prompt.split())
            expected = mesh(int(words.get("vertices", 50)), spec.seed or 0)
            assert all(np.array_equal(view.result.arrays[name], array) for name, array in expected.items())
            states = [one for one in self.seen if isinstance(one, JobChanged) and one.job == job]
            warnings = [one for one in self.seen if isinstance(one, JobWarning) and one.job == job]
            numbers = [one.seq for one in states]
            assert numbers == sorted(set(numbers)) and len(numbers) + len(warnings) == view.seq
            assert [one.state for one in states][-1] == "SUCCEEDED"
            assert sum(isinstance(one, (JobFinished, JobFailed)) and one.job == job for one in self.seen) == 1
            total += view.seq
        return total


class Memory:
    """The hub's memory while something goes on. growth: bytes above the beginning, at most."""

    def __init__(self, hub: HubProcess) -> None:
        self._process = psutil.Process(hub.process.pid)  # type: ignore[union-attr]
        self.first = self.most = self._process.memory_info().rss

    def look(self) -> int:
        """Look again; gives the growth so far."""
        self.most = max(self.most, self._process.memory_info().rss)
        return self.most - self.first


@contextlib.contextmanager
def started(folder: Path) -> Iterator[HubProcess]:
    """A hub with its worker; gone afterwards, whatever happened."""
    hub = HubProcess(folder / "data")
    hub.folder.mkdir(parents=True)
    try:
        yield hub.start()
    finally:
        hub.close()


def proxied(hub: HubProcess, **weather: float) -> Proxy:
    return Proxy(read_connection_file(hub.folder).address, **weather)


def warm(hub: HubProcess, vertices: int) -> None:
    """One job of this size first, so that what the hub needs anyhow is not counted."""
    with hub.client() as client:
        client.wait(client.submit(TextTo3DSpec(f"steps=2 vertices={vertices}", seed=0)), 240.0)


def slow(folder: Path, megabytes: float = 60.0, rate: float = 4e6) -> dict[str, Any]:
    """A result over a slow link: it arrives, and the hub's memory grows by no more than the client's window."""
    vertices = int(megabytes * 1e6 / BYTES_A_VERTEX)
    with (started(folder) as hub, proxied(hub, rate=rate) as proxy, client_through(proxy, hub, folder) as client):
        warm(hub, vertices)
        history = History()
        job = history.submit(client, f"steps=2 delay=0.1 vertices={vertices}", 1)
        wait_for(lambda: history.poll(client) or client.jobs[job].ended, "the computation")
        memory, began = Memory(hub), time.monotonic()
        while not client.jobs[job].over:
            history.poll(client, 0.05)
            memory.look()
        taken = time.monotonic() - began
        history.check(client)
        size = sum(array.nbytes for array in client.jobs[job].result.arrays.values()) / 1e6
        window, growth = client._session.welcome.window, memory.look()
    return {"megabytes": size, "seconds": taken, "MB/s": size / taken, "hub growth MiB": growth / MIB,
            "window MiB": window / MIB}


def stalled(folder: Path, clients: int = 16, seconds: float = 20.0, megabytes: float = 30.0) -> dict[str, Any]:
    """Clients that ask for a result and then read nothing: each may cost the hub its window, not more."""
    vertices = int(megabytes * 1e6 / BYTES_A_VERTEX)
    with started(folder) as hub, proxied(hub) as proxy, contextlib.ExitStack() as stack:
        warm(hub, vertices)
        with hub.client() as first:
            job = first.submit(TextTo3DSpec(f"steps=2 vertices={vertices}", seed=1))
            first.wait(job, 240.0)
        crowd = [stack.enter_context(client_through(proxy, hub, folder)) for _ in range(clients)]
        for one in crowd:
            one.wait_connected(60.0)
            one.watch(job)
        memory = Memory(hub)
        proxy.change(rate=2e5)  # a trickle: the streams have begun
        end = time.monotonic() + seconds / 2
        while time.monotonic() < end:
            for one in crowd:
                one.poll(0.005)
            memory.look()
        proxy.change(silent=True)
        end = time.monotonic() + seconds / 2
        while time.monotonic() < end:
            time.sleep(0.1)
            memory.look()
        window = crowd[0]._session.welcome.window
        with hub.client() as other:  # the hub is there for others
            began = time.monotonic()
            other.wait(other.submit(TextTo3DSpec("steps=2", seed=2)), 120.0)
            taken = time.monotonic() - began
        growth = memory.look()
    return {"clients": clients, "hub growth MiB": growth / MIB, "bound MiB": clients * window / MIB,
            "another's job s": taken}


def half_open(folder: Path, seconds: float = 30.0) -> dict[str, Any]:
    """The line goes dead without a word while jobs run: the client sees it, and everything is caught up afterwards."""
    with started(folder) as hub, proxied(hub) as proxy, client_through(proxy, hub, folder) as client:
        history = History()
        jobs = [history.submit(client, "steps=10 delay=0.1 warn=careful vertices=100000", seed) for seed in range(3)]
        wait_for(lambda: history.poll(client) or client.jobs[jobs[0]].state == "RUNNING", "work")
        proxy.change(silent=True)
        began, noticed = time.monotonic(), 0.0
        while time.monotonic() - began < seconds:
            history.poll(client, 0.1)
            if not noticed and client.state is not ConnectionState.READY:
                noticed = time.monotonic() - began
        proxy.change(silent=False)
        back = time.monotonic()
        history.finish(client, jobs)
        events = history.check(client)
        taken = time.monotonic() - back
    return {"dark s": seconds, "noticed after s": noticed, "caught up in s": taken, "events": events}


def away(folder: Path, seconds: float = 60.0, restarts: int = 3) -> dict[str, Any]:
    """A client is cut off while the hub is killed and started again: each durable event comes once, in order."""
    with started(folder) as hub, proxied(hub) as proxy, client_through(proxy, hub, folder) as client:
        history = History()
        share = seconds / (restarts + 1)
        jobs = [history.submit(client, f"steps=10 delay={share / 15:.3f} warn=careful", seed) for seed in range(5)]
        wait_for(lambda: history.poll(client) or client.jobs[jobs[0]].state == "RUNNING", "work")
        proxy.change(cut=True, refuse=True)
        for _ in range(restarts):
            history.poll(client, share)
            hub.kill()
            hub.start()
            connection_through(proxy, hub, folder)
        history.poll(client, share)
        before = sum(client.jobs[job].seq for job in jobs)
        proxy.change(refuse=False)
        back = time.monotonic()
        history.finish(client, jobs)
        events = history.check(client)
        taken = time.monotonic() - back
    return {"away s": seconds, "hub restarts": restarts, "events before": before, "events": events,
            "lost": 0, "doubled": 0, "caught up in s": taken}


def rough(folder: Path, jobs: int = 30, delay: float = 0.3, cut_chance: float = 0.002) -> dict[str, Any]:
    """Latency, jitter, small slices, and connections that break at random, all at once."""
    weather = {"delay": delay, "jitter": delay / 3, "cut_chance": cut_chance, "slice": 1400}
    with started(folder) as hub, proxied(hub, **weather) as proxy, client_through(proxy, hub, folder) as client:
        history, began = History(), time.monotonic()
        names = [history.submit(client, "steps=2 delay=0.01 warn=careful vertices=1000", seed) for seed in range(jobs)]
        history.finish(client, names)
        lost = sum(getattr(one, "state", None) is ConnectionState.CONNECTING for one in history.seen)
        events = history.check(client)
        taken = time.monotonic() - began
    return {"jobs": jobs, "delay s": delay, "seconds": taken, "connections lost": lost, "events": events}


SCENARIOS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "slow": slow, "stalled": stalled, "half_open": half_open, "away": away, "rough": rough,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=sorted(SCENARIOS), default=sorted(SCENARIOS))
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "network.json")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = SCENARIOS[name](Path(folder))
        print(f"{name:10} " + ", ".join(f"{key} {value:.4g}" for key, value in figures[name].items()), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
