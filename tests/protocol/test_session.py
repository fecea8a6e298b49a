# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's state machine against a model of the hub, over a wire that loses, repeats and breaks.

Whatever happens, each job is made once, each durable event arrives once and in order, and the result is whole.
"""

from __future__ import annotations

import hashlib
import itertools
import random

import numpy as np
import pytest

from protocol import framing
from protocol.arrays import FRAME_BYTES, describe
from protocol.errors import (
    BadRequest,
    Cancelled,
    MaquetteError,
    NotAllowed,
    OutOfSpace,
    ProtocolError,
    UnknownBlob,
    UnknownJob,
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
    Ephemeral,
    Error,
    Event,
    Hello,
    Jobs,
    JobSummary,
    List,
    Ping,
    Pong,
    Rejected,
    Resume,
    Submit,
    TextTo3DSpec,
    Watch,
    Welcome,
)
from protocol.session import BLK, CTL, Session
from protocol.updates import (
    ConnectionState,
    JobAccepted,
    JobChanged,
    JobFailed,
    JobFinished,
    JobProgress,
    JobsListed,
    PreviewMesh,
    PreviewMotion,
)

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


def test_plain_conversation():
    hub, session, wire = pair()
    session.submit(SPEC, JOB, 0.0)
    seen = [one for _ in range(4) for one in wire.round()]
    assert session.state is ConnectionState.READY
    assert [one for one in seen if isinstance(one, (JobAccepted, JobChanged))] == [
        JobAccepted(JOB), JobChanged(JOB, "QUEUED", seq=1),
    ]
    arrays = finish(hub, JOB, 300_000)  # several chunks and several credits
    seen = [one for _ in range(12) for one in wire.round()]
    (done,) = [one for one in seen if isinstance(one, JobFinished)]
    assert np.array_equal(done.result.arrays["vertices"], arrays["vertices"])
    assert done.result.arrays["empty"].shape == (0, 3) and done.result.report == {"seed": 1}
    assert session.jobs[JOB].over and not session.line.requests


@pytest.mark.parametrize("seed", range(25))
def test_faulty_wire_loses_nothing(seed):
    """Loss and repeats of any message, broken connections, a busy hub: the same outcome, each thing once."""
    rng = random.Random(seed)
    hub, session, wire = pair(seed=seed, loss=rng.choice([0.0, 0.15, 0.3]), repeat=0.2)
    jobs = [f"{number:032x}" for number in range(1, 4)]
    fates = {}
    seen = []
    for turn in range(2000):
        if turn % 5 == 0 and turn // 5 < len(jobs):
            session.submit(SPEC, jobs[turn // 5], wire.now)
        if rng.random() < 0.02 and turn < 600:
            hub.reconnect()
            if rng.random() < 0.5:
                session.lost(wire.now)
        for job in jobs:
            if job in hub.jobs and job not in fates and rng.random() < 0.1:
                last = hub.jobs[job][-1].state
                if rng.random() < 0.6:
                    hub.add(job, kind="warning", text=f"w{len(hub.jobs[job])}")
                elif last == "CANCELLED":
                    fates[job] = "CANCELLED"
                elif rng.random() < 0.3:
                    session.cancel(job, wire.now)
                    fates[job] = "CANCELLED"
                else:
                    fates[job] = finish(hub, job, 120_000)
        seen += wire.round(rng.choice([0.05, 0.5, 2.0]))
        if len(fates) == len(jobs) and all(view.over for view in session.jobs.values()) and turn > 20:
            break
    assert hub.made == len(jobs)
    for job in jobs:
        view = session.jobs[job]
        assert view.over and view.seq == len(hub.jobs[job])
        assert view.warnings == [one.text for one in hub.jobs[job] if one.kind == "warning"]
        changes = [one.state for one in seen if isinstance(one, JobChanged) and one.job == job]
        assert changes == [one.state for one in hub.jobs[job] if one.kind == "state"]
        ends = [one for one in seen if isinstance(one, (JobFinished, JobFailed)) and one.job == job]
        assert len(ends) == 1
        if isinstance(fates[job], dict):
            assert np.array_equal(ends[0].result.arrays["faces"], fates[job]["faces"])
        else:
            assert isinstance(ends[0].error, Cancelled)


def test_silent_hub_is_given_up_and_found_again():
    hub, session, wire = pair()
    wire.round()
    assert session.state is ConnectionState.READY
    wire.loss = 1.0
    for _ in range(40):
        wire.round(0.5)
    assert session.state is ConnectionState.CONNECTING
    wire.loss = 0.0
    for _ in range(12):
        wire.round(0.5)
    assert session.state is ConnectionState.READY


def test_own_stall_does_not_look_like_a_dead_hub():
    hub, session, wire = pair()
    wire.round()
    wire.now += 100.0  # Blender rendered for a while
    assert session.state is ConnectionState.READY
    for _ in range(5):
        wire.round(0.05)
    assert session.state is ConnectionState.READY


def test_refused_hello_and_submit():
    hub, session, wire = pair()
    hello = framing.decode(session.outbox[CTL].popleft())
    session.receive(CTL, framing.encode(Rejected(NotAllowed("No.")).to_envelope(re=hello.id)), 0.0)
    assert session.state is ConnectionState.REFUSED and session.problem.message == "No."
    session.tick(100.0)
    assert not session.outbox[CTL]  # does not hammer
    session.opened(1.0)
    [wire.round() for _ in range(3)]
    session.submit(SPEC, JOB, wire.now)
    submit = framing.decode(session.outbox[CTL].popleft())
    session.receive(CTL, framing.encode(Rejected(BadRequest("x", path="prompt")).to_envelope(re=submit.id)), 0.0)
    assert session.jobs[JOB].error.path == "prompt" and not session.line.requests


def test_full_disk_at_the_hub_leaves_the_request_waiting():
    hub, session, wire = pair()
    [wire.round() for _ in range(3)]
    session.submit(SPEC, JOB, wire.now)
    submit = framing.decode(session.outbox[CTL].popleft())
    error = Error(OutOfSpace("full")).to_envelope(re=submit.id)
    session.receive(CTL, framing.encode(error), wire.now)
    assert not session.jobs[JOB].over
    assert any(isinstance(one, JobAccepted) for _ in range(8) for one in wire.round())


def test_cancel_before_anything_was_sent_is_immediate():
    session = Session(software="test", token=b"", new_id=lambda: bytes(16))
    session.submit(SPEC, JOB, 0.0)
    session.cancel(JOB, 0.0)
    assert isinstance(session.jobs[JOB].error, Cancelled) and not session.line.requests


def test_gap_and_repeat_of_events():
    hub, session, wire = pair()
    session.submit(SPEC, JOB, 0.0)
    [wire.round() for _ in range(4)]
    early = framing.encode(Event(JOB, 3, "warning", text="three").to_envelope())
    session.receive(CTL, early, wire.now)
    assert session.jobs[JOB].warnings == []
    hub.add(JOB, kind="warning", text="two")
    hub.add(JOB, kind="warning", text="three")
    [wire.round() for _ in range(4)]
    session.receive(CTL, early, wire.now)
    assert session.jobs[JOB].warnings == ["two", "three"]


def test_old_progress_and_bad_previews_are_dropped():
    hub, session, wire = pair()
    session.submit(SPEC, JOB, 0.0)
    [wire.round() for _ in range(4)]

    def show(**values):
        session.receive(CTL, framing.encode(Ephemeral(JOB, **values).to_envelope()), wire.now)
        return [session.updates.popleft() for _ in range(len(session.updates))]

    assert show(counter=2, stage="coarse", fraction=0.5) == [JobProgress(JOB, "coarse", 0.5)]
    assert show(counter=1, stage="coarse", fraction=0.4) == []
    from protocol.arrays import inline

    mesh = {"vertices": np.zeros((3, 3), np.float32), "faces": np.array([[0, 1, 2]], np.int32),
            "colours": np.zeros((3, 4), np.uint8)}
    descriptors, payload = inline(mesh)
    (preview,) = show(counter=3, kind="preview_mesh", arrays=descriptors, payload=payload)
    assert isinstance(preview, PreviewMesh) and preview.faces.tolist() == [[0, 1, 2]]
    descriptors, payload = inline({**mesh, "faces": np.array([[0, 1, 3]], np.int32)})
    assert show(counter=4, kind="preview_mesh", arrays=descriptors, payload=payload) == []
    assert session.dropped == 1
    turns = np.tile(np.float32([1, 0, 0, 0]), (4, 2, 1))
    facts = np.frombuffer(b'{"fps": 24.0, "loop": true, "whole": 60}', np.uint8)
    motion = {"motion_rotations": turns, "motion_root": np.zeros((4, 3), np.float32), "motion_facts": facts}
    descriptors, payload = inline(motion)
    (preview,) = show(counter=5, kind="preview_motion", arrays=descriptors, payload=payload)
    assert isinstance(preview, PreviewMotion) and (len(preview.motion), preview.whole) == (4, 60)
    assert (preview.motion.fps, preview.motion.loop) == (24.0, True)
    descriptors, payload = inline({**motion, "motion_rotations": turns * 2})
    assert show(counter=6, kind="preview_motion", arrays=descriptors, payload=payload) == []
    assert session.dropped == 2


def test_lost_blob_and_unknown_job_end_the_job():
    hub, session, wire = pair()
    session.submit(SPEC, JOB, 0.0)
    [wire.round() for _ in range(4)]
    finish(hub, JOB)
    events = hub.push()
    session.receive(CTL, framing.encode(events[-1][1].to_envelope()), wire.now)
    get = read(framing.decode(session.outbox[BLK].popleft()), CLIENT_TO_HUB)
    problem = Error(UnknownBlob("gone", detail={"hash": get.hash}))
    session.receive(BLK, framing.encode(problem.to_envelope()), wire.now)
    assert isinstance(session.jobs[JOB].error, UnknownBlob)
    session.watch("cd" * 16, 0, wire.now)
    session.receive(CTL, framing.encode(Error(UnknownJob("no"), "cd" * 16).to_envelope()), wire.now)
    assert isinstance(session.jobs["cd" * 16].error, UnknownJob)


def test_wrong_bytes_are_fetched_again_and_then_given_up():
    hub, session, wire = pair()
    session.submit(SPEC, JOB, 0.0)
    [wire.round() for _ in range(4)]
    arrays = finish(hub, JOB)
    name = hashlib.sha256(arrays["vertices"].tobytes()).digest()
    good, hub.blobs[name] = hub.blobs[name], bytes(len(hub.blobs[name]))
    [wire.round() for _ in range(1)]
    hub.blobs[name] = good
    [wire.round() for _ in range(4)]
    assert session.jobs[JOB].result is not None
    other = "ef" * 16
    session.submit(SPEC, other, wire.now)
    [wire.round() for _ in range(4)]
    finish(hub, other, 101)
    hub.blobs = {key: bytes(len(value)) for key, value in hub.blobs.items()}
    [wire.round() for _ in range(8)]
    assert isinstance(session.jobs[other].error, ProtocolError)


def test_a_job_ends_once_whatever_the_hub_says_next():
    """Found by the fuzzer: events after a refusal, and a result on its way to an earlier view of the job."""
    hub, session, wire = pair()
    session.submit(SPEC, JOB, 0.0)
    session.receive(CTL, framing.encode(Welcome(1, "model", bytes(16), 1).to_envelope(
        re=framing.decode(session.outbox[CTL].popleft()).id)), 0.0)
    submit = framing.decode(session.outbox[CTL].popleft())
    session.receive(CTL, framing.encode(Rejected(BadRequest("x", path="prompt")).to_envelope(re=submit.id)), 0.0)
    for seq, state in enumerate(("QUEUED", "CANCELLED"), 1):
        session.receive(CTL, framing.encode(Event(JOB, seq, "state", state).to_envelope()), 0.0)
    session.receive(CTL, framing.encode(Error(UnknownJob("no"), JOB).to_envelope()), 0.0)
    assert len([one for one in session.updates if isinstance(one, JobFailed)]) == 1
    assert session.jobs[JOB].error.path == "prompt"


def test_a_result_on_its_way_belongs_to_the_view_that_asked():
    hub, session, wire = pair()
    session.submit(SPEC, JOB, 0.0)
    [wire.round() for _ in range(4)]
    finish(hub, JOB, 300_000)
    wire.round()
    session.watch(JOB, 0, wire.now)  # while the first chunks arrive
    seen = [one for _ in range(14) for one in wire.round()]
    assert len([one for one in seen if isinstance(one, JobFinished)]) == 1
    assert session.jobs[JOB].result is not None


def test_an_event_lost_with_nothing_after_it_is_found_in_time():
    hub, session, wire = pair()
    session.submit(SPEC, JOB, 0.0)
    [wire.round() for _ in range(4)]
    hub.add(JOB, kind="warning", text="lost")
    hub.push()  # sent, and never there
    [wire.round() for _ in range(70)]
    assert session.jobs[JOB].warnings == ["lost"]
    hub.add(JOB, kind="warning", text="also lost")
    hub.push()
    session.receive(CTL, framing.encode(Ephemeral(JOB, seq=3, stage="coarse").to_envelope()), wire.now)
    [wire.round(0.1) for _ in range(3)]
    assert session.jobs[JOB].warnings == ["lost", "also lost"]


def test_list():
    hub, session, wire = pair()
    wire.round()
    session.list_jobs(5, True, wire.now)
    asked = framing.decode(session.outbox[CTL].pop())
    assert read(asked, CLIENT_TO_HUB) == List(5, True)
    one = JobSummary(JOB, "text_to_3d", "a chair", "RUNNING", 3, 1, 1e9)
    session.receive(CTL, framing.encode(Jobs((one,)).to_envelope(re=asked.id)), wire.now)
    assert session.updates.pop() == JobsListed((one,))


def test_junk_never_raises():
    rng = random.Random(1)
    hub, session, wire = pair()
    [wire.round() for _ in range(3)]
    good = [framing.encode(one.to_envelope()) for one in (
        Event(JOB, 1, "state", "QUEUED"), Error(MaquetteError("x")), Chunk(1, bytes(32), 0, 5, (b"12345",)),
        Ephemeral(JOB), Pong(),
    )]
    for _ in range(1500):
        frames = [bytearray(one) for one in rng.choice(good)]
        which = rng.choice(frames)
        if which:
            which[rng.randrange(len(which))] = rng.randrange(256)
        session.receive(rng.choice([CTL, BLK]), [bytes(one) for one in frames], wire.now)
    assert session.dropped > 100
