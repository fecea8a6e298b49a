# SPDX-License-Identifier: GPL-3.0-or-later
"""The same as `test_every_message`, for uploads of inputs and for the pace of waiting jobs: lost, doubled, overtaken.

A client brings a job's inputs while its connection breaks once; the worker fetches them; another job is paused,
moved and continued while it waits. Whatever happens to any message, the worker computes with the right bytes and
each change is in the log once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from studio import Studio, alarmed

from protocol import specs
from protocol.messages import Continue, Pause, Reprioritise
from protocol.specs import Input, Spec, TextTo3DSpec

PAINT, CALM = "a" * 32, "b" * 32
DATA = np.random.default_rng(6).random((400_000, 3), np.float32)  # 4.8 MB: more than a window
SMALL = np.arange(6, dtype=np.int32).reshape(2, 3)
ROUTES = [
    ("client>hub", "BLOB_CHECK"), ("client>hub", "BLOB_PUT"), ("hub>client", "BLOB_NEED"), ("hub>client", "BLOB_OK"),
    ("worker>hub", "BLOB_GET"), ("worker>hub", "CREDIT"), ("hub>worker", "CHUNK"), ("hub>worker", "LEASE"),
    ("client>hub", "SUBMIT"), ("hub>client", "ACCEPTED"), ("client>hub", "PAUSE"), ("client>hub", "CONTINUE"),
    ("client>hub", "REPRIORITISE"), ("hub>client", "JOBS"), ("hub>client", "EVENT"),
]


@dataclass(frozen=True)
class PaintSpec(Spec):
    """A kind that takes inputs."""

    kind: ClassVar[str] = "paint"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("vertices", ("<f4",), (None, 3)), Input("faces", ("<i4",), (None, 3)),
    )
    prompt: str = "for ever"  # what the studio's worker reads


@pytest.fixture(autouse=True)
def _kind(monkeypatch):
    monkeypatch.setitem(specs.KINDS, "paint", PaintSpec)


def story(folder: Path, fault=None) -> Studio:
    """Two jobs wait, one of them for its inputs; then a worker comes and takes the painting."""
    studio = Studio(folder)
    studio.fault = fault or studio.fault
    artist = studio.add_artist()
    session = artist.session
    session.submit(TextTo3DSpec("calm", seed=1), CALM, studio.now)
    studio.until(lambda: session.jobs[CALM].seq == 1, "the first job")
    session.pace(Pause(CALM), studio.now)
    studio.until(lambda: session.jobs[CALM].state == "PAUSED", "the pause")
    session.submit(PaintSpec(), PAINT, studio.now, {"vertices": DATA, "faces": SMALL})
    uploads = session.following.uploads
    studio.until(lambda: uploads.progress(PAINT)[0] > 0 or session.jobs[PAINT].state == "QUEUED", "some bytes")
    session.lost(studio.now)  # the connection breaks in the middle
    studio.until(lambda: session.jobs[PAINT].state == "QUEUED", "the inputs", tick=0.2)
    session.pace(Continue(CALM), studio.now)
    studio.until(lambda: session.jobs[CALM].state == "QUEUED", "the job to go on")
    session.move(Reprioritise(CALM, "batch", "last"), studio.now)
    studio.until(lambda: not session.line.requests, "all answers", tick=0.2)
    hand = studio.add_hand()
    studio.until(lambda: hand.talk.held is not None and hand.talk.held.inputs is not None, "the worker's inputs")
    studio.painted = hand.talk.held
    return studio


def check(studio: Studio) -> None:
    """The outcome that no fault may change."""
    held = studio.painted
    assert held.lease.job == PAINT and list(held.inputs) == ["vertices", "faces"]  # `batch` comes after `normal`
    assert np.array_equal(held.inputs["vertices"], DATA) and np.array_equal(held.inputs["faces"], SMALL)
    states = [one.state for one in studio.hub.store.events_after(CALM, 0, 100)]
    assert states[:3] == ["QUEUED", "PAUSED", "QUEUED"] and len(states) == 3
    states = [one.state for one in studio.hub.store.events_after(PAINT, 0, 100)]
    assert states[:3] == ["NEED_BLOBS", "QUEUED", "LEASED"]
    assert studio.hub.store.job(CALM).priority == "batch"
    assert not studio.artists[0].session.following.uploads.blobs  # the memory of what was sent is free


def test_the_story_says_what_it_should(folder):
    with alarmed():
        studio = story(folder)
    check(studio)
    assert [pair for pair in ROUTES if not studio.counts[pair]] == []


@pytest.mark.parametrize("fault", [
    pytest.param(lambda count: 0 if count <= 2 else 1, id="lost"), pytest.param(lambda count: 2, id="doubled"),
    pytest.param(lambda count: -12 if count == 1 else 1, id="overtaken"),
])
@pytest.mark.parametrize("route, kind", ROUTES)
def test_each_message(folder, route, kind, fault):
    with alarmed():
        studio = story(folder, lambda way, type, count: fault(count) if (way, type) == (route, kind) else 1)
    check(studio)
