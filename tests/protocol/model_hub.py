# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the hub, and a wire to it that loses, repeats and breaks, for tests of the client's state machine."""

from __future__ import annotations

import itertools
import random

import numpy as np

from protocol import framing
from protocol.arrays import FRAME_BYTES, describe
from protocol.errors import (
    Cancelled,
    UnknownSession,
)
from protocol.fields import read
from protocol.messages import (
    CLIENT_TO_HUB,
    Accepted,
    BlobGet,
    Cancel,
    Chunk,
    Credit,
    Error,
    Event,
    Hello,
    Jobs,
    Ping,
    Pong,
    Resume,
    Submit,
    TextTo3DSpec,
    Watch,
    Welcome,
)
from protocol.session import BLK, CTL, Session

JOB = "ab" * 16
SPEC = TextTo3DSpec("a chair")


class ModelHub:
    """What a hub may do, in memory: jobs with event logs, sessions by connection, blobs."""

    def __init__(self):
        self.jobs: dict[str, list[Event]] = {}
        self.submitted: dict[str, Submit] = {}
        self.sessions: dict[str, dict[str, int]] = {}  # connection of ctl -> watched job -> sent
        self.known: set[str] = set()
        self.blobs: dict[bytes, bytes] = {}
        self.streams: dict[int, list] = {}
        self.connection = 0
        self.made = 0

    def reconnect(self):
        self.connection += 1
        self.known.clear()
        self.sessions.clear()
        self.streams.clear()

    def handle(self, channel, frames):
        """Messages to send back as (channel, message, re)."""
        envelope = framing.decode(frames)
        message = read(envelope, CLIENT_TO_HUB)
        if isinstance(message, Hello):
            if channel == BLK and CTL not in self.known:
                return [(channel, Error(UnknownSession("?")), envelope.id)]
            self.known.add(channel)
            if channel == CTL:
                self.sessions.setdefault(CTL, {})
            return [(channel, Welcome(1, "model", b"s%d" % self.connection, 1, window=2 * FRAME_BYTES), envelope.id)]
        if channel not in self.known:
            return [(channel, Error(UnknownSession("?")), envelope.id)]
        watched = self.sessions.get(CTL, {})
        if isinstance(message, Submit):
            job = message.submit_key.hex()
            if job not in self.jobs:
                self.made += 1
                self.jobs[job] = []
                self.add(job, state="QUEUED")
            return [(CTL, Accepted(job), envelope.id)]
        if isinstance(message, Watch):
            watched[message.job] = message.after_seq
            return [(CTL, Jobs(()), envelope.id)]
        if isinstance(message, Resume):
            watched.update(message.jobs)
            return [(CTL, Jobs(()), envelope.id)]
        if isinstance(message, Cancel):
            if self.jobs[message.job][-1].state not in ("CANCELLED", "SUCCEEDED"):
                self.add(message.job, state="CANCELLED", error=Cancelled())
            return [(CTL, Jobs(()), envelope.id)]
        if isinstance(message, Ping):
            return [(CTL, Pong(), envelope.id)]
        if isinstance(message, BlobGet):
            self.streams[message.stream] = [message.hash, message.offset, message.credit]
        if isinstance(message, Credit) and message.stream in self.streams:
            if message.bytes:
                self.streams[message.stream][2] += message.bytes
            else:
                del self.streams[message.stream]
        return []

    def add(self, job, **values):
        log = self.jobs[job]
        log.append(Event(job, len(log) + 1, values.pop("kind", "state"), **values))

    def push(self):
        """Events and chunks that go out by themselves."""
        out = []
        for job, sent in list(self.sessions.get(CTL, {}).items()):
            for event in self.jobs.get(job, [])[sent:]:
                out.append((CTL, event, b""))
            self.sessions[CTL][job] = max(sent, len(self.jobs.get(job, [])))
        for stream, (name, offset, credit) in list(self.streams.items()):
            data = self.blobs[name]
            while credit > 0 and offset < len(data):
                piece = data[offset : offset + min(credit, FRAME_BYTES)]
                out.append((BLK, Chunk(stream, name, offset, len(data), (piece,)), b""))
                offset, credit = offset + len(piece), credit - len(piece)
            self.streams[stream] = [name, offset, credit]
        return out


class Wire:
    """Carries frames between a session and the model; `loss` and `repeat` are probabilities for each message."""

    def __init__(self, hub, session, rng, loss=0.0, repeat=0.0):
        self.hub, self.session, self.rng, self.loss, self.repeat = hub, session, rng, loss, repeat
        self.now = 0.0

    def times(self):
        return 0 if self.rng.random() < self.loss else 2 if self.rng.random() < self.repeat else 1

    def round(self, seconds=0.5):
        self.now += seconds
        back = []
        for channel, queue in self.session.outbox.items():
            while queue:
                frames = [bytes(one) for one in queue.popleft()]
                for _ in range(self.times()):
                    back += self.hub.handle(channel, frames)
        for channel, message, re in back + self.hub.push():
            frames = framing.encode(message.to_envelope(re=re))
            for _ in range(self.times()):
                self.session.receive(channel, frames, self.now)
        self.session.tick(self.now)
        updates = list(self.session.updates)
        self.session.updates.clear()
        return updates


def pair(**chances):
    ids = itertools.count(1)
    session = Session(software="test", token=b"", new_id=lambda: next(ids).to_bytes(16, "big"))
    hub = ModelHub()
    wire = Wire(hub, session, random.Random(chances.pop("seed", 0)), **chances)
    session.opened(0.0)
    return hub, session, wire


def finish(hub, job, size=100):
    """Let the job succeed in the model, with a mesh of `size` vertices."""
    rng = np.random.default_rng(size)
    arrays = {"vertices": rng.random((size, 3), np.float32), "faces": rng.integers(0, size, (size, 3), np.int32),
              "report": np.frombuffer(b'{"seed": 1}', np.uint8), "empty": np.zeros((0, 3), np.float32)}
    described = [describe(name, array) for name, array in arrays.items()]
    for one, data in described:
        hub.blobs[one.hash] = bytes(data)
    hub.add(job, state="SUCCEEDED", arrays=tuple(one for one, _ in described))
    return arrays
