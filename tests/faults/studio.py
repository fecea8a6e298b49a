# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole studio in one process and in virtual time: the real hub, clients and a worker, on sockets that we hold.

The hub is the product's own, its whole loop included; only the `zmq` that `backend.hub.server` sees is replaced, so
every message passes through `Studio.fault`, which may lose it, double it or hold it back. A client is a protocol
`Session`, a worker a `Conversation`, both driven as their owners of real sockets do. An hour passes in a second, and
the same seed gives the same history.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import zmq

from backend.hub import server
from backend.hub.server import Hub, HubOptions
from backend.worker.conversation import Conversation
from backend.worker.held import Held
from protocol import framing
from protocol.arrays import describe
from protocol.errors import NotConnected
from protocol.session import BLK, CTL, Session
from protocol.updates import ConnectionState, Update
from protocol.worker_messages import WorkerEphemeral

QUEUE = 64  # messages that libzmq keeps for one peer (hub.wire.SEND_QUEUE)
GONE_AFTER = 0.5  # seconds without a connection before a client counts it as lost (protocol.client)

# fault(route, type, count) -> how often the message arrives; route: "client>hub" and so on, count: which of its type
Fault = Callable[[str, str, int], int]


def deliver_all(route: str, type: str, count: int) -> int:
    """No fault: every message arrives once."""
    return 1


class Defect(AssertionError):
    """The hub met an exception that is nobody's error but ours."""


class _Alarm(logging.Handler):
    """The hub logs a defect and goes on; here it ends the test."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            raise Defect(record.getMessage()) from record.exc_info[1]


@contextlib.contextmanager
def alarmed() -> Iterator[None]:
    """While this stands, an exception that the hub only logs is raised as Defect."""
    log, alarm = logging.getLogger("maquette.hub"), _Alarm()
    log.addHandler(alarm)
    try:
        yield
    finally:
        log.removeHandler(alarm)


class _Frame:
    """One received frame, as pyzmq gives it with copy=False."""

    def __init__(self, data: bytes) -> None:
        self.bytes = data
        self.buffer = memoryview(data)

    def __len__(self) -> int:
        return len(self.bytes)

    def get(self, name: str | int) -> str | int:
        return -1 if name == zmq.SRCFD else ""  # there is no TCP connection behind it


class _Router:
    """The hub's end of one port."""

    def __init__(self) -> None:
        self.inbox: deque[tuple[bytes, list[bytes]]] = deque()
        self.peers: dict[bytes, deque[list[bytes]]] = {}
        self.options: dict[int, Any] = {}
        self.port = 0

    def setsockopt(self, option: int, value: Any) -> None:
        self.options[option] = value

    def bind(self, address: str) -> None:
        port = address.rsplit(":", 1)[1]
        if address.startswith("tcp:"):
            self.port = 50_000 if port == "*" else int(port)

    def getsockopt_string(self, option: int) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def recv_multipart(self, flags: int = 0, copy: bool = True) -> list[_Frame]:
        if not self.inbox:
            raise zmq.Again
        peer, frames = self.inbox.popleft()
        return [_Frame(peer), *map(_Frame, frames)]

    def send_multipart(self, frames: list[Any], flags: int = 0, copy: bool = True, track: bool = False) -> None:
        peer = bytes(frames[0])
        if peer not in self.peers:
            raise zmq.ZMQError(zmq.EHOSTUNREACH)
        if len(self.peers[peer]) >= QUEUE:
            raise zmq.Again
        self.peers[peer].append([bytes(one) for one in frames[1:]])

    def poll(self, timeout: int = 0, flags: int = 0) -> int:
        return 0

    def close(self, linger: int = 0) -> None:
        self.inbox.clear()
        self.peers.clear()


def _zmq_without_sockets() -> SimpleNamespace:
    names = {name: getattr(zmq, name) for name in dir(zmq) if not name.startswith("__")}
    context = SimpleNamespace(
        socket=lambda kind: _Router(), term=lambda: None, destroy=lambda linger=0: None, closed=False
    )
    poller = SimpleNamespace(register=lambda *_: None, poll=lambda *_: [])
    return SimpleNamespace(**names | {"Context": lambda *_: context, "Poller": lambda: poller})


_ZMQ = _zmq_without_sockets()


@contextlib.contextmanager
def _no_sockets() -> Iterator[None]:
    server.zmq = _ZMQ
    try:
        yield
    finally:
        server.zmq = zmq


@dataclass
class Artist:
    """A client. up: whether its cable is plugged in. seen: all updates so far."""

    session: Session
    peers: dict[str, bytes]
    seen: list[Update]
    up: bool = True
    gone_since: float | None = None


@dataclass
class Hand:
    """A worker and the job that it does step by step. crashed: it no longer exists."""

    talk: Conversation
    peer: bytes = b""
    step: int = 0
    up: bool = True
    crashed: bool = False


def result_of(prompt: str, seed: int) -> dict[str, np.ndarray]:
    """What the worker of this studio makes of a request: arrays of a few sizes, the same for the same request."""
    rng = np.random.default_rng(seed)
    size = 120_000 if "large" in prompt else 40
    return {
        "vertices": rng.random((size, 3), np.float32), "faces": rng.integers(0, size, (2 * size, 3), np.int32),
        "report": np.frombuffer(b'{"seed": %d}' % seed, np.uint8),
    }


class Studio:
    """One hub, any number of artists, one or more workers. folder: of the hub's store. rng: for faults."""

    STEPS = 4  # of one job

    def __init__(self, folder: Path, seed: int = 0, free: Callable[[Path], int] = lambda folder: 1 << 40) -> None:
        self.now = 0.0
        self.rng = random.Random(seed)
        self.fault: Fault = deliver_all
        self.counts: Counter[tuple[str, str]] = Counter()
        self.runs: Counter[str] = Counter()  # finished computations of each job
        self._ids = itertools.count(1)
        self._names = itertools.count(1)
        self._held_back: list[tuple[float, Callable[[], None]]] = []
        self.options = HubOptions(folder, worker=False, free=free, stop_patience=0.0, encrypt=False)
        self.artists: list[Artist] = []
        self.hands: list[Hand] = []
        self.hub: Hub | None = None
        self.start_hub()

    def new_id(self) -> bytes:
        return next(self._ids).to_bytes(16, "big")

    # The hub

    def start_hub(self) -> None:
        """A hub on the folder; a second one only after the first was killed."""
        with _no_sockets():
            self.hub = Hub(self.options, lambda: self.now)
        for artist in self.artists:
            self._connect(artist)
        for hand in self.hands:
            self._connect_hand(hand)

    def kill_hub(self) -> None:
        """Gone without a word: what was not committed never happened, and every connection is cut."""
        assert self.hub is not None
        self.hub.store._db.close()
        self.hub._lock.close()
        self.hub = None
        for artist in self.artists:
            artist.peers.clear()
        for hand in self.hands:
            hand.peer = b""

    def _front(self) -> Any:
        return self.hub.front.port.socket  # type: ignore[union-attr]

    def _back(self) -> Any:
        return self.hub.back.port.socket  # type: ignore[union-attr]

    # Peers

    def add_artist(self) -> Artist:
        """One more client, connected."""
        token = bytes.fromhex(self.hub.info.token) if self.hub is not None else b""
        artist = Artist(Session(software="studio", token=token, new_id=self.new_id), {}, [])
        self.artists.append(artist)
        self._connect(artist)
        artist.session.opened(self.now)
        return artist

    def add_hand(self) -> Hand:
        """One more worker, connected."""
        assert self.hub is not None
        name = f"w{next(self._names)}"
        hand = Hand(Conversation(name, 1, bytes.fromhex(self.hub.info.token), self.new_id, state="idle"))
        self.hands.append(hand)
        self._connect_hand(hand)
        hand.talk.opened(self.now)
        return hand

    def _connect(self, artist: Artist) -> None:
        if self.hub is None or not artist.up:
            return
        for channel in (CTL, BLK):
            artist.peers[channel] = b"\0%04d" % next(self._names)
            self._front().peers[artist.peers[channel]] = deque()

    def _connect_hand(self, hand: Hand) -> None:
        if self.hub is not None and hand.up and not hand.crashed:
            hand.peer = b"\0%04d" % next(self._names)
            self._back().peers[hand.peer] = deque()

    def unplug(self, artist: Artist, half_open: bool = False) -> None:
        """Cut a client's cable. half_open: the hub is not told, it goes on sending into the void."""
        artist.up = False
        if not half_open and self.hub is not None:
            for peer in artist.peers.values():
                self._front().peers.pop(peer, None)
            artist.peers.clear()

    def plug(self, artist: Artist) -> None:
        """The cable is back, with new connections under new routing ids."""
        if self.hub is not None:
            for peer in artist.peers.values():
                self._front().peers.pop(peer, None)
        artist.up = True
        self._connect(artist)

    def crash(self, hand: Hand) -> None:
        """The worker's process is gone."""
        hand.crashed = True
        if self.hub is not None:
            self._back().peers.pop(hand.peer, None)

    # Time

    def turn(self, seconds: float = 0.05) -> None:
        """Let a little time pass for everybody."""
        self.now += seconds
        due = [act for at, act in self._held_back if at <= self.now]
        self._held_back = [(at, act) for at, act in self._held_back if at > self.now]
        for act in due:
            act()
        for artist in self.artists:
            self._send(artist)
        for hand in self.hands:
            if not hand.crashed:
                self._send_hand(hand)
        if self.hub is not None:
            with _no_sockets():
                self.hub.turn(0.0)
        for artist in self.artists:
            self._receive(artist)
        for hand in self.hands:
            if not hand.crashed:
                self._receive_hand(hand)
                self._work(hand)
                if hand.talk.left:  # the process ends
                    self.crash(hand)

    def until(self, condition: Callable[[], object], what: str, seconds: float = 600.0, tick: float = 0.05) -> None:
        """Let time pass until the condition holds."""
        end = self.now + seconds
        while not condition():
            assert self.now < end, f"waited {seconds:.0f} virtual seconds for {what}"
            self.turn(tick)

    def _pass(self, route: str, frames: list[bytes], arrive: Callable[[], None]) -> None:
        try:
            kind = framing.decode(frames).type
        except framing.ProtocolError:
            kind = "?"
        self.counts[route, kind] += 1
        times = self.fault(route, kind, self.counts[route, kind])
        if times < 0:  # late, after whatever follows it within so many tenths of a second
            self._held_back.append((self.now - times / 10, arrive))
        for _ in range(times):
            arrive()

    def _send(self, artist: Artist) -> None:
        session = artist.session
        if self.hub is None or not artist.up:
            if session.state is ConnectionState.READY and artist.peers == {}:
                artist.gone_since = self.now if artist.gone_since is None else artist.gone_since
                if self.now - artist.gone_since > GONE_AFTER:
                    session.lost(self.now, NotConnected("The connection to the hub broke."))
            return
        artist.gone_since = None
        hub = self.hub
        for channel, queue in session.outbox.items():
            while queue:
                frames = [bytes(one) for one in queue.popleft()]
                inbox, peer = self._front().inbox, artist.peers[channel]
                self._pass("client>hub", frames, lambda inbox=inbox, peer=peer, frames=frames: (
                    inbox.append((peer, frames)) if self.hub is hub else None))

    def _receive(self, artist: Artist) -> None:
        if self.hub is not None and artist.up:
            for channel, peer in artist.peers.items():
                queue = self._front().peers.get(peer, ())
                while queue:
                    frames = queue.popleft()
                    self._pass("hub>client", frames, lambda channel=channel, frames=frames: (
                        artist.session.receive(channel, frames, self.now)))
        artist.session.tick(self.now)
        artist.seen += artist.session.updates
        artist.session.updates.clear()

    def _send_hand(self, hand: Hand) -> None:
        if self.hub is None or not hand.up:
            return
        hub = self.hub
        while hand.talk.outbox:
            frames = [bytes(one) for one in hand.talk.outbox.popleft()]
            inbox, peer = self._back().inbox, hand.peer
            self._pass("worker>hub", frames, lambda inbox=inbox, peer=peer, frames=frames: (
                inbox.append((peer, frames)) if self.hub is hub else None))

    def _receive_hand(self, hand: Hand) -> None:
        if self.hub is not None and hand.up:
            queue = self._back().peers.get(hand.peer, ())
            while queue:
                frames = queue.popleft()
                self._pass("hub>worker", frames, lambda frames=frames: hand.talk.receive(frames, self.now))
        hand.talk.tick(self.now)

    def _work(self, hand: Hand) -> None:
        """One step of the job at hand."""
        talk = hand.talk
        if talk.leases:
            if talk.begin(talk.leases[0], self.now):
                hand.step = 0
            talk.leases.popleft()
        held = talk.held
        if held is None or not talk.computing:
            return
        lease = held.lease
        prompt = str(lease.spec.get("prompt"))
        if held.stopped:
            from protocol.errors import Cancelled

            talk.fail(held, Cancelled(), self.now)
            return
        if "for ever" in prompt:
            return
        hand.step += 1
        self._show(talk, held, hand.step / self.STEPS)
        if hand.step == 2 and "warn" in prompt:
            talk.warn(held, "careful", self.now)
        if hand.step >= self.STEPS:
            self.runs[lease.job] += 1
            talk.deliver(held, [describe(*one) for one in result_of(prompt, lease.spec["seed"]).items()], self.now)

    def _show(self, talk: Conversation, held: Held, fraction: float) -> None:
        lease = held.lease
        talk.show(held, WorkerEphemeral(
            lease.job, stage="working", fraction=min(1.0, fraction), fence=lease.fence, kind="progress"
        ))
