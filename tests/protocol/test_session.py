# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's state machine against a model of the hub, over a wire that loses, repeats and breaks.

Whatever happens, each job is made once, each durable event arrives once and in order, and the result is whole.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from protocol import framing
from protocol.errors import (
    BadRequest,
    Cancelled,
    MaquetteError,
    NotAllowed,
    OutOfSpace,
)
from protocol.fields import read
from protocol.messages import (
    CLIENT_TO_HUB,
    Chunk,
    Ephemeral,
    Error,
    Event,
    Jobs,
    JobSummary,
    List,
    Pong,
    Rejected,
)
from protocol.session import BLK, CTL
from protocol.updates import (
    ConnectionState,
    JobAccepted,
    JobChanged,
    JobFailed,
    JobFinished,
    JobsListed,
)
from tests.protocol.model_hub import JOB, SPEC, finish, pair


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
