# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub and its clients in one process and one thread, for these tests: each gets its turn, nothing races."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from backend.hub.server import Hub, HubOptions
from backend.hub.states import Done, Started
from protocol import framing, manage
from protocol.arrays import FRAME_BYTES, describe
from protocol.client import Client
from protocol.fields import read
from protocol.keys import KeyPair, Keys
from protocol.messages import HUB_TO_CLIENT, Hello

ANSWERS = {**HUB_TO_CLIENT, **manage.HUB_TO_CLIENT}


class Bench:
    """A hub without a worker, its clock in our hands, and clients that take turns with it."""

    def __init__(self, folder: Path):
        self.skipped = 0.0
        self.free = 1 << 40
        self.clock = lambda: time.monotonic() + self.skipped
        self.options = HubOptions(folder, worker=False, free=lambda folder: self.free)
        self.hub = Hub(self.options, self.clock)
        self.clients: list[Client] = []

    def client(self) -> Client:
        self.clients.append(Client.local(self.options.data))
        return self.clients[-1]

    def enrol(self, name: str, role: str = "artist", **quotas) -> Keys:
        """A new key of a user, who is added if he is new; gives what the key's owner needs."""
        if name not in (one.name for one in self.hub.accounts.users):
            self.hub.accounts.put_user("local", name, role, quotas, new=True)
        own = KeyPair.new()
        self.hub.accounts.put_key("local", name, own.public)
        return Keys(bytes.fromhex(self.hub.info.server_key), own.secret)

    def person(self, name: str, role: str = "artist", **quotas) -> Client:
        """A client of a user with a key of its own."""
        self.clients.append(Client(self.hub.info.address, keys=self.enrol(name, role, **quotas)))
        return self.clients[-1]

    def until(self, condition, turns=2000):
        """Take turns until the condition holds; gives all updates of all clients."""
        seen = []
        for _ in range(turns):
            self.hub.turn(0.005)
            for client in self.clients:
                seen += client.poll(0.005)
            if condition():
                return seen
        raise AssertionError("it never came")

    def turns(self, count=30):
        seen = []
        for _ in range(count):
            self.hub.turn(0.005)
            for client in self.clients:
                seen += client.poll(0.005)
        return seen

    def run_job(self, job: str, size: int):
        """What a worker would do: lease, start, deliver a mesh."""
        desk, store = self.hub.desk, self.hub.store
        rng = np.random.default_rng(1)
        arrays = {"vertices": rng.random((size, 3), np.float32), "faces": rng.integers(0, size, (size, 3), np.int32)}
        row = desk.apply(desk.lease(store.job(job), "w"), Started())
        described = [describe(name, array) for name, array in arrays.items()]
        for one, data in described:
            for begin in range(0, len(data), FRAME_BYTES):
                self.hub.blobs.put(one.hash, begin, one.size, data[begin : begin + FRAME_BYTES])
        desk.apply(row, Done(), [one for one, _ in described])
        return arrays

    def close(self):
        for client in self.clients:
            client.close()
        self.hub.stop()


class RawClient:
    """Speaks frames, so that it can do what our client never would."""

    def __init__(self, bench, keys=None):
        self.bench, self.context, self.sockets = bench, zmq.Context(), {}
        for channel in ("ctl", "blk"):
            self.sockets[channel] = self.context.socket(zmq.DEALER)
            self.sockets[channel].linger = 0
            self.sockets[channel].immediate = 1
            (keys or bench.hub.info.keys).secure(self.sockets[channel])
            self.sockets[channel].connect(bench.hub.info.address)
            while not self.sockets[channel].poll(1, zmq.POLLOUT):  # the handshake needs the hub's turns
                bench.hub.turn(0.005)
        self.token = bench.hub.info.secret
        (self.welcome,) = self.ask("ctl", Hello(1, 1, "raw", "ctl", token=self.token))
        self.ask("blk", Hello(1, 1, "raw", "blk", token=self.token, sid=self.welcome.sid))

    def send(self, channel, message):
        self.sockets[channel].send_multipart(framing.encode(message.to_envelope(id=bytes(16))))

    def take(self, channel, turns=20):
        found = []
        for _ in range(turns):
            self.bench.hub.turn(0.005)
            while self.sockets[channel].poll(1):
                found.append(read(framing.decode(self.sockets[channel].recv_multipart()), ANSWERS))
        return found

    def ask(self, channel, message):
        self.send(channel, message)
        found, quiet = [], 0
        while quiet < (3 if found else 20):
            more = self.take(channel, 1)
            found += more
            quiet = 0 if more else quiet + 1
        return found

    def close(self):
        for socket in self.sockets.values():
            socket.close()
        self.context.term()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def raw(bench):
    made = RawClient(bench)
    yield made
    made.close()


@pytest.fixture
def raw_as(bench):
    """Makes a RawClient for given keys."""
    made = []

    def make(keys):
        made.append(RawClient(bench, keys))
        return made[-1]

    yield make
    for one in made:
        one.close()
