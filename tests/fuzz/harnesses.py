# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fuzzed: each harness takes one input and returns, or raises because something is broken.

Allowed for hostile bytes is a ProtocolError (or, for values, any MaquetteError) and nothing else. What is accepted
must survive the way to bytes and back. The engines are in `run`; the harnesses know nothing of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import msgpack
from bites import Bites
from specimens import DESCRIPTORS, DIRECTIONS, PAYLOAD, choices, specimen

from protocol import framing, specs
from protocol.arrays import DTYPES, FRAME_BYTES, Descriptor, from_bytes, from_payload
from protocol.errors import MaquetteError, ProtocolError
from protocol.fields import read
from protocol.framing import MAX_DEPTH, MAX_FRAME, SIGNATURE

_block = memoryview(bytes(MAX_FRAME + 1))
FRAME_SIZES = (0, 1, 36, 4096, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, MAX_FRAME)


def header(data: bytes) -> None:
    """A header frame as it is."""
    try:
        head = framing.decode_header(data)
    except ProtocolError:
        return
    check_plain(head, 0)
    assert framing.decode_header(msgpack.packb(head)) == head


def check_plain(value: Any, depth: int) -> None:
    """Only the types, depths and numbers that the reference allows."""
    if type(value) in (dict, list):
        assert depth < MAX_DEPTH
        for one in value.values() if type(value) is dict else value:
            check_plain(one, depth + 1)
        assert type(value) is list or all(type(key) is str and len(key) <= 64 for key in value)
    elif type(value) is float:
        assert math.isfinite(value)
    else:
        assert value is None or type(value) in (int, bool, str, bytes)


def message_frames(data: bytes) -> None:
    """Whole messages: signature, header, payload frames of any number and size."""
    bites = Bites(data)
    frames: list[Any] = []
    if bites.below(8):
        frames.append(SIGNATURE + bytes((framing.MAJOR, 0)))
    else:
        frames.append(bites.take(bites.below(6)))
    payload = [_block[: bites.pick(FRAME_SIZES)] for _ in range(bites.below(4) and bites.below(70))]
    frames += [bites.rest(), *payload][bites.below(32) == 31 :]
    decode_and_return(frames)


def decode_and_return(frames: Sequence[Any]) -> framing.Envelope | None:
    """Decode; what is accepted is encoded and decoded again, to the same envelope."""
    try:
        envelope = framing.decode(frames)
    except ProtocolError:
        return None
    assert len(envelope.payload) <= 64 and all(len(one) <= FRAME_BYTES for one in envelope.payload)
    assert framing.decode(framing.encode(envelope)) == envelope
    return envelope


def descriptors(data: bytes) -> None:
    """Array descriptors, right ones with a few fields changed, alone and pointing into a payload."""
    bites = Bites(data)
    good = []
    for _ in range(1 + bites.below(4)):
        values: dict[str, Any] = bites.pick(DESCRIPTORS).to_map()
        for _ in range(bites.below(4)):
            key = bites.pick("ndszchwx")
            if key == "s" and bites.below(2):
                values[key] = [bites.value(9) for _ in range(bites.below(6))]
            elif key == "d" and bites.below(2):
                values[key] = bites.pick(tuple(DTYPES))
            else:
                values[key] = bites.value(5)
        if bites.below(2) and "d" in values and type(values.get("s")) is list:  # a size that agrees
            sides = [one for one in values["s"] if type(one) is int]
            values["z"] = math.prod(sides) * (DTYPES[values["d"]].itemsize if type(values["d"]) is str
                                              and values["d"] in DTYPES else 1)
        try:
            one = Descriptor.from_map(values)
        except MaquetteError:
            continue
        assert Descriptor.from_map(one.to_map()) == one
        assert one.size == math.prod(one.shape) * DTYPES[one.dtype].itemsize
        good.append(one)
        if one.codec == "raw":
            try:
                array = from_bytes(one, _block[: min(one.size, MAX_FRAME)], verify=False)
                assert array.shape == one.shape and array.dtype == DTYPES[one.dtype] and array.nbytes == one.size
            except ProtocolError:
                assert one.size > MAX_FRAME
    payload = [*PAYLOAD, *(_block[: bites.pick(FRAME_SIZES[:-2])] for _ in range(bites.below(8)))]
    try:
        arrays = from_payload(good, payload)
    except ProtocolError:
        return
    assert sum(one.nbytes for one in arrays.values()) <= sum(len(one) for one in payload), "bytes are counted twice"


def messages(data: bytes) -> None:
    """Headers of every message of every direction, with fields replaced, removed and added."""
    bites = Bites(data)
    direction = DIRECTIONS[bites.pick(tuple(DIRECTIONS))]
    kind = direction[bites.pick(tuple(direction))]
    envelope = specimen(kind, bites.below).to_envelope(id=bytes(16))
    head = msgpack.unpackb(framing.encode(envelope)[1])
    body = head.setdefault("b", {})
    names = (*choices(kind), "unknown")
    for _ in range(bites.below(5)):
        what = bites.below(8)
        if what < 4:
            body[bites.pick(names)] = bites.value(2)
        elif what == 4:
            body.pop(bites.pick(names), None)
        elif what == 5:
            head[bites.pick(("t", "id", "re", "sid", "job", "seq", "ep", "ts", "b", "bufs", "x"))] = bites.value(1)
        elif what == 6:
            head["bufs"] = [bites.pick(DESCRIPTORS).to_map() for _ in range(bites.below(5))]
        elif body:
            name = bites.pick(tuple(body))
            if type(body[name]) is dict:
                body[name][bites.pick(tuple(body[name]) or ("x",))] = bites.value(3)
    envelope_again = decode_and_return([SIGNATURE + bytes((framing.MAJOR, 0)), msgpack.packb(head), *envelope.payload])
    if envelope_again is None:
        return
    for known in DIRECTIONS.values():
        try:
            message = read(envelope_again, known)
        except MaquetteError:
            continue
        again = framing.decode(framing.encode(message.to_envelope(id=envelope_again.id)))
        assert again.type == envelope_again.type
        assert repr(read(again, known)) == repr(message)  # errors compare by identity, their texts do not


def job_specs(data: bytes) -> None:
    """Specs of every kind of job from arbitrary maps."""
    bites = Bites(data)
    kind = bites.pick((*specs.KINDS, "unknown"))
    names = [one.name for one in fields(specs.KINDS.get(kind, specs.TextTo3DSpec))]
    usual = specs.TextTo3DSpec("a chair").to_map()
    values = {name: usual[name] for name in names if name in usual}
    for _ in range(bites.below(6)):
        name = bites.pick((*names, "other"))
        if bites.below(8):
            values[name] = bites.value(2)
        else:
            values.pop(name, None)
    try:
        spec = specs.spec_from_map(kind, values)
    except MaquetteError:
        return
    again = specs.spec_from_map(kind, msgpack.unpackb(msgpack.packb(spec.to_map())))
    assert again == spec


def errors(data: bytes) -> None:
    """The map of an error: never a second error."""
    bites = Bites(data)
    values = MaquetteError("It broke.", hint="Mend it.", detail={"path": "prompt"}).to_map()
    for _ in range(bites.below(6)):
        values[bites.pick((*values, "other"))] = bites.value()
    values = bites.value() if bites.below(16) == 15 else values
    error = MaquetteError.from_map(values)
    again = MaquetteError.from_map(msgpack.unpackb(msgpack.packb(error.to_map())))
    assert again.code == error.code and again.kind == error.kind and str(again)[:1000] == str(error)[:1000]


PARSERS: dict[str, Callable[[bytes], None]] = {
    "header": header, "frames": message_frames, "descriptors": descriptors, "messages": messages,
    "specs": job_specs, "errors": errors,
}
