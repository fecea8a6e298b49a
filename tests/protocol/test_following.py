# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client makes of the events, previews and bytes of a job: each once, in order, and one end for every job."""

from __future__ import annotations

import hashlib

import numpy as np

from protocol import framing
from protocol.errors import (
    BadRequest,
    Cancelled,
    ProtocolError,
    UnknownBlob,
    UnknownJob,
)
from protocol.fields import read
from protocol.messages import (
    CLIENT_TO_HUB,
    Ephemeral,
    Error,
    Event,
    Rejected,
    Welcome,
)
from protocol.session import BLK, CTL, Session
from protocol.updates import (
    JobFailed,
    JobFinished,
    JobProgress,
    PreviewMesh,
    PreviewMotion,
)
from tests.protocol.model_hub import JOB, SPEC, finish, pair


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
