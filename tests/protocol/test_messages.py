# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message survives the wire; every field that is wrong is refused by name; unknown fields are ignored."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest

from protocol import messages as m
from protocol import worker_messages as w
from protocol.arrays import Descriptor, inline
from protocol.errors import BadRequest, EmptySurface, MaquetteError, ProtocolError, UnknownType
from protocol.fields import HEAD, read
from protocol.framing import MAJOR, MAX_HEADER, SIGNATURE, Envelope, decode, encode
from protocol.messages import TextTo3DSpec

JOB, KEY, HASH = "ab" * 16, bytes(range(16)), bytes(range(32))
ERROR = EmptySurface("Nothing there.", hint="Lower it.", stage="carry over", detail={"threshold": 0.5})
ARRAY = Descriptor("vertices", "<f4", (2, 3), 24, HASH)
# What a request looked like when the golden files were written. A spec may get new fields, with defaults, without a new
# form of the messages that carry it.
SPEC = {
    "prompt": "a chair", "negative_prompt": "", "preset": "draft", "prior": "", "seed": None, "size_metres": 1.0,
    "texture_size": 0, "effort": 1.0, "name": "", "gpus": 1,
}
SUMMARY = m.JobSummary(JOB, "text_to_3d", "a chair", "QUEUED", 3, 1, 1.5e9, "batch", 4)

EXAMPLES = {
    "client to hub": (m.CLIENT_TO_HUB, [
        m.Hello(1, 2, "test", "ctl", ("zstd",), HASH, b"sid"), m.Resume({JOB: 3}),
        m.Submit(KEY, "text_to_3d", SPEC, (ARRAY,), "batch", 60.0), m.Pause(JOB), m.Continue(JOB),
        m.Reprioritise(JOB, "interactive", "first"), m.Cancel(JOB),
        m.List(5, True, JOB), m.Get(JOB), m.Watch(JOB, 7), m.Ack(JOB, 9), m.Credit(1, 1 << 20),
        m.BlobGet(HASH, 5, 2, 100, "zstd", 50), m.BlobCheck(((HASH, 5), (KEY * 2, 0))),
        m.BlobPut(HASH, 0, 3, (b"abc",)), m.Ping(),
        m.Bye(),
    ]),
    "hub to client": (m.HUB_TO_CLIENT, [
        m.Welcome(1, "hub", b"sid", 3, ("zstd",), "ann"), m.Accepted(JOB), m.Rejected(ERROR), m.Jobs((SUMMARY,)),
        m.Event(JOB, 1, "state", "SUCCEEDED", 1, "text", ERROR, (ARRAY,)),
        m.Ephemeral(JOB, 1, 2, "preview_mesh", "coarse", 0.5, "text", 3.5, (ARRAY,), (b"x",)),
        m.Chunk(1, HASH, 2, 9, (b"abc",), 5, "zstd", 7),
        m.BlobNeed(HASH, 3), m.BlobOk(HASH, 3, True), m.Error(ERROR, JOB), m.Pong(),
        m.Draining("stops"),
    ]),
    "worker to hub": (w.WORKER_TO_HUB, [
        w.Ready("w-1", 5, "test", 1, 1, {"gpu": "none"}, HASH, JOB, 4), w.Beat("busy", JOB, 4, 17, 1000),
        w.WorkerEvent(JOB, 4, 1, "warning", "careful"),
        w.WorkerEphemeral(JOB, kind="progress", stage="coarse", fraction=0.25, fence=4),
        w.Result(JOB, 4, (ARRAY,)), w.Failed(JOB, 4, ERROR), w.Goodbye("bye"), w.WorkerPaused(JOB, 4),
        w.Checkpoint(JOB, 4, 2, HASH, 9), m.BlobCheck(((HASH, 5),)),
        m.BlobPut(HASH, 0, 3, (b"abc",)), m.BlobGet(HASH, 5, 2, 100, "zstd", 50), m.Credit(2, 100),
    ]),
    "hub to worker": (w.HUB_TO_WORKER, [
        m.Welcome(1, "hub", b"w-1", 3), m.Rejected(ERROR), w.Lease(JOB, 1, 4, 10.0, "text_to_3d", SPEC, (ARRAY,)),
        w.WorkerCancel(JOB, 4), w.WorkerPause(JOB, 4), w.Stop(True), m.Ack(JOB, 1), m.BlobNeed(HASH, 0),
        m.BlobOk(HASH, 0), m.Error(ERROR), m.Chunk(2, HASH, 5, 9, (b"abc",)),
    ]),
}
ALL = [(direction, one) for direction, (_, examples) in EXAMPLES.items() for one in examples]


def same(one, other) -> bool:
    """Equal, with errors compared by what they say."""
    def plain(value):
        return value.to_map() if isinstance(value, MaquetteError) else value

    return type(one) is type(other) and all(
        plain(getattr(one, field.name)) == plain(getattr(other, field.name)) for field in dataclasses.fields(one)
    )


def test_there_is_an_example_of_each():
    for table, examples in EXAMPLES.values():
        assert {one.TYPE for one in examples} == set(table)
        assert {type(one) for one in examples} == set(table.values())


@pytest.mark.parametrize(("direction", "message"), ALL, ids=lambda one: getattr(one, "TYPE", one))
def test_round_trip(direction, message):
    table = EXAMPLES[direction][0]
    envelope = decode(encode(message.to_envelope(id=KEY, re=HASH[:16], time_us=5)))
    assert (envelope.id, envelope.re, envelope.time_us) == (KEY, HASH[:16], 5)
    assert same(read(envelope, table), message)
    later = dataclasses.replace(envelope, body={**envelope.body, "from_the_future": [1, {"x": None}]})
    assert same(read(later, table), message)


WRONG = [None, True, -1, 2**63, 1.5, float("1e300"), "x" * 5000, "\u0000", b"x", b"x" * 100, [], [1], ["x"] * 300, {},
         {"a": 1}, {1: 2}]


@pytest.mark.parametrize(("direction", "message"), ALL, ids=lambda one: getattr(one, "TYPE", one))
def test_wrong_fields_never_raise_anything_else(direction, message):
    table = EXAMPLES[direction][0]
    envelope = decode(encode(message.to_envelope()))
    for field in dataclasses.fields(message):
        if field.name in HEAD:
            continue
        refused = 0
        for value in WRONG:
            try:
                read(dataclasses.replace(envelope, body={**envelope.body, field.name: value}), table)
            except ProtocolError as problem:
                assert field.name.split("[")[0] in problem.message or field.name == "error"
                refused += 1
        assert refused >= 8, field.name
        if field.default is dataclasses.MISSING:
            rest = {key: value for key, value in envelope.body.items() if key != field.name}
            with pytest.raises(ProtocolError, match=field.name):
                read(dataclasses.replace(envelope, body=rest), table)


def test_bodies_at_random():
    rng = random.Random(4)
    for direction, message in ALL:
        table = EXAMPLES[direction][0]
        good = message.to_envelope()
        for _ in range(60):
            body = {
                key: rng.choice(WRONG) if rng.random() < 0.3 else value
                for key, value in good.body.items() if rng.random() < 0.9
            }
            payload = tuple(rng.choice([b"", b"x", b"y" * 100]) for _ in range(rng.randint(0, 3)))
            try:
                job, seq = rng.choice(["", JOB]), rng.choice([0, 5])
                read(Envelope(good.type, job=job, seq=seq, body=body, payload=payload), table)
            except (ProtocolError, UnknownType):
                continue


def test_wrong_direction_and_unknown_type():
    with pytest.raises(UnknownType):
        read(m.Welcome(1, "x", b"", 1).to_envelope(), m.CLIENT_TO_HUB)
    with pytest.raises(UnknownType):
        read(Envelope("FROM_THE_FUTURE"), m.HUB_TO_CLIENT)


def test_making_a_wrong_message_fails_here_and_now():
    for make in (
        lambda: m.Accepted("AB" * 16), lambda: m.Cancel(""), lambda: m.Event(JOB, 0, "state"),
        lambda: m.Chunk(1, HASH, 0, 1), lambda: m.Submit(KEY, "text_to_3d", SPEC, inline({"x": np.zeros(3)})[0]),
        lambda: m.Resume({JOB: 1, "x": 2}), lambda: m.Resume({f"{n:032x}": 0 for n in range(300)}), lambda: m.List(0),
        lambda: m.Chunk(1, HASH, 0, 1, (bytes((1 << 20) + 1),)), lambda: w.Ready("../x", 1, "x", 1, 1, {}),
    ):
        with pytest.raises(BadRequest):
            make()


GOLDEN = Path(__file__).parent / "golden" / "messages"


def golden(direction, message):
    return GOLDEN / f"{direction.replace(' ', '_')}.{message.TYPE.lower()}.{len(message.to_envelope().body)}.bin"


@pytest.mark.parametrize(("direction", "message"), ALL, ids=lambda one: getattr(one, "TYPE", one))
def test_bytes_of_version_1_stay(direction, message):
    """What was once sent is read for ever, and what we send is what was once written down: a change is a new major.

    A new optional field is a new file, written by tests/protocol/golden/write.py; the old one stays.
    """
    path = golden(direction, message)
    assert path.exists(), "a new form of this message: run tests/protocol/golden/write.py, and keep the old file"
    assert encode(message.to_envelope(id=KEY))[1] == path.read_bytes()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bin")), ids=lambda path: path.stem)
def test_every_form_that_was_ever_written_is_still_read(path):
    table = EXAMPLES[path.stem.split(".")[0].replace("_", " ")][0]
    header = path.read_bytes()
    kind = path.stem.split(".")[1].upper()
    payload = (b"abc",) if kind in ("CHUNK", "BLOB_PUT") else ()
    message = read(decode([SIGNATURE + bytes((MAJOR, 0)), header, *payload]), table)
    assert kind == message.TYPE


def test_a_request_from_before_a_spec_got_new_fields_means_the_same():
    assert TextTo3DSpec.from_map(SPEC) == TextTo3DSpec("a chair")


def test_a_list_with_long_titles_is_cut_and_not_refused():
    long = [dataclasses.replace(SUMMARY, job=f"{number:032x}", title="\u7d05" * 120) for number in range(300)]
    some = m.Jobs.fitting(long)
    assert 64 < len(some.jobs) < 256 and some.jobs == tuple(long[: len(some.jobs)])
    assert len(encode(some.to_envelope(id=KEY, re=KEY))[1]) <= MAX_HEADER
    assert len(m.Jobs.fitting([SUMMARY] * 300).jobs) == 256
