# SPDX-License-Identifier: GPL-3.0-or-later
"""Framing: what goes in comes out, and whatever is wrong is a ProtocolError, quickly and without allocation.

`golden/` holds frames as bytes: `good_*.bin` must decode to what stands here and be encoded to the same bytes for
as long as the major version is 1; `bad_*.bin` must be refused. A file is the frames, each behind its length (u32).
"""

from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path

import msgpack
import msgpack.fallback
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import framing
from protocol.arrays import FRAME_BYTES, inline
from protocol.errors import MaquetteError, ProtocolError, TooLarge
from protocol.framing import SIGNATURE, BadSignature, Envelope, decode, decode_header, encode

GOLDEN = Path(__file__).parent / "golden"
FIRST = SIGNATURE + bytes((framing.MAJOR, 0))


def example() -> Envelope:
    arrays = {"vertices": np.arange(6, dtype=np.float32).reshape(2, 3), "faces": np.array([[0, 1, 0]], np.int32)}
    descriptors, payload = inline(arrays)
    return Envelope(
        "EPHEMERAL", id=bytes(range(16)), re=bytes(16), sid=b"session", job="0123456789abcdef" * 2, seq=7, epoch=3,
        time_us=1_000_000, body={"text": "Pilz \u00e4", "fraction": 0.25, "none": None, "yes": True, "list": [1, -2]},
        arrays=descriptors, payload=tuple(bytes(one) for one in payload),
    )


def pack_file(frames) -> bytes:
    return b"".join(struct.pack("<I", len(one)) + bytes(one) for one in frames)


def unpack_file(data: bytes) -> list[bytes]:
    frames, place = [], 0
    while place < len(data):
        (size,) = struct.unpack_from("<I", data, place)
        frames.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return frames


@pytest.fixture(params=["C", "Python"])
def codec(request, monkeypatch):
    """Both implementations of msgpack: Blender on an odd platform has only the second."""
    if request.param == "Python":
        monkeypatch.setattr(framing.msgpack, "unpackb", msgpack.fallback.unpackb)


def test_golden_good(codec):
    frames = unpack_file((GOLDEN / "good_ephemeral.bin").read_bytes())
    assert decode(frames) == example()
    assert [bytes(one) for one in encode(example())] == frames
    hello = decode(unpack_file((GOLDEN / "good_hello.bin").read_bytes()))
    assert hello == Envelope("HELLO", id=b"\x01" * 16, body={"min_major": 1, "max_major": 1, "software": "golden"})


def test_golden_bad(codec):
    files = sorted(GOLDEN.glob("bad_*.bin"))
    assert len(files) >= 15
    for path in files:
        with pytest.raises(ProtocolError):
            decode(unpack_file(path.read_bytes()))


def hostile() -> dict[str, bytes]:
    """Headers that msgpack alone would accept, or choke on."""
    key = {"t": "PING"}
    deep: object = 1
    for _ in range(9):
        deep = [deep]
    return {
        "empty": b"", "not_a_map": msgpack.packb([1]), "trailing": msgpack.packb(key) + b"\x01",
        "timestamp": msgpack.packb({**key, "b": {"x": msgpack.Timestamp(1)}}),
        "ext": msgpack.packb({**key, "b": {"x": msgpack.ExtType(5, b"x")}}),
        "bytes_key": b"\x82\xa1t\xa4PING\xc4\x01x\x01", "int_key": b"\x82\xa1t\xa4PING\x05\x01",
        "double_key": b"\x82\xa1t\xa4PING\xa1t\xa4PONG",
        "nan": msgpack.packb({**key, "b": {"x": float("nan")}}),
        "infinity": msgpack.packb({**key, "b": {"x": float("inf")}}),
        "deep": msgpack.packb({**key, "b": {"x": deep}}), "very_deep": b"\x91" * 5000 + b"\x01",
        "many_maps": msgpack.packb({**key, "b": {"x": [{}] * 2000}}),
        "many_lists": b"\xdd" + struct.pack(">I", 60000) + b"\x90" * 60000,
        "list_bomb": b"\xdd\xff\xff\xff\xff", "map_bomb": b"\xdf\xff\xff\xff\xff", "bin_bomb": b"\xc6\xff\xff\xff\xff",
        "bad_utf8": b"\x81\xa1t\xa2\xff\xfe", "no_type": msgpack.packb({"b": {}}),
        "type_wrong": msgpack.packb({"t": "ping"}), "id_short": msgpack.packb({**key, "id": b"x"}),
        "seq_negative": msgpack.packb({**key, "seq": -1}), "seq_bool": msgpack.packb({**key, "seq": True}),
        "body_list": msgpack.packb({**key, "b": []}), "bufs_map": msgpack.packb({**key, "bufs": {}}),
        "bufs_empty_map": msgpack.packb({**key, "bufs": [{}]}),
        "long_string": msgpack.packb({**key, "b": {"x": "y" * (framing.MAX_STRING + 1)}}),
        "long_key": msgpack.packb({**key, "b": {"y" * 65: 1}}),
    }


@pytest.mark.parametrize("name", sorted(hostile()))
def test_hostile_header(name, codec):
    with pytest.raises(ProtocolError):
        decode([FIRST, hostile()[name]])


def test_sizes_are_limits():
    with pytest.raises(ProtocolError):
        decode_header(bytes(framing.MAX_HEADER + 1))
    with pytest.raises(TooLarge):
        encode(Envelope("PING", body={str(number): "x" * 16000 for number in range(5)}))
    with pytest.raises(TooLarge):
        encode(Envelope("PING", payload=(bytes(FRAME_BYTES + 1),)))
    with pytest.raises(ProtocolError):
        decode([FIRST, msgpack.packb({"t": "PING"}), bytes(FRAME_BYTES + 1)])
    with pytest.raises(ProtocolError):
        decode([FIRST, msgpack.packb({"t": "PING"}), *[b""] * 65])


FOREIGN = [[], [b""], [b"GET / HT"], [FIRST], [b"\xaa\xb7", b"\x80"], [b"\xaa\xb8\x01\x00", b""]]


@pytest.mark.parametrize("frames", FOREIGN)
def test_foreign_bytes_are_to_be_dropped(frames):
    with pytest.raises(BadSignature):
        decode(frames)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_frames(frames):
    for attempt in (frames, [FIRST, *frames]):
        with contextlib.suppress(ProtocolError):
            decode(attempt)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=10), json_like, max_size=6), st.binary(min_size=16, max_size=16))
def test_round_trip(body, name):
    envelope = Envelope("STATE_OF", id=name, body=body, epoch=5)
    assert decode(encode(envelope)) == envelope


def test_mutations_of_good_frames(codec):
    """Flip, cut, insert: a good message damaged at random decodes or is refused, and nothing else happens."""
    rng = random.Random(20)
    good = [bytes(one) for one in encode(example())]
    refused = 0
    for _ in range(1500):
        frames = list(good)
        which = rng.randrange(len(frames))
        damaged = bytearray(frames[which])
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(damaged) + 1)
            action = rng.randrange(3)
            if action == 0 and place < len(damaged):
                damaged[place] = rng.randrange(256)
            elif action == 1:
                damaged[place:place] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 4)))
            else:
                del damaged[place : place + rng.randint(1, 4)]
        frames[which] = bytes(damaged)
        try:
            decode(frames)
        except ProtocolError:
            refused += 1
    assert refused > 400


def test_error_of_a_bad_descriptor_names_it():
    head = {"t": "EVENT", "bufs": [{"n": "x", "d": "<f4", "s": [2], "z": 9, "c": "raw", "h": bytes(32), "w": "blob"}]}
    with pytest.raises(MaquetteError) as caught:
        decode([FIRST, msgpack.packb(head)])
    assert "needs 8 bytes" in caught.value.message
