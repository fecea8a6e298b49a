# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays come out as they went in, and descriptors that lie are refused before memory is taken."""

from __future__ import annotations

import contextlib
import hashlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import arrays
from protocol.arrays import FRAME_BYTES, Descriptor, describe, from_bytes, from_payload, inline, split
from protocol.errors import BadRequest, MaquetteError, ProtocolError

GOOD = {"n": "x", "d": "<f4", "s": [2, 3], "z": 24, "c": "raw", "h": bytes(32), "w": "blob"}


@pytest.mark.parametrize("dtype", sorted(arrays.DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (0, 3), (2, 1, 3, 1)])
def test_round_trip(dtype, shape):
    array = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape).astype(arrays.DTYPES[dtype])
    descriptors, payload = inline({"a": array, "b": array[::-1] if shape and shape[0] else array})
    again = from_payload([Descriptor.from_map(one.to_map()) for one in descriptors], payload)
    assert again["a"].dtype == array.dtype and again["a"].shape == shape
    assert np.array_equal(again["a"], array)
    assert np.array_equal(again["b"], array[::-1] if shape and shape[0] else array)


def test_big_endian_and_strided_are_made_ready():
    array = np.arange(20, dtype=">i4").reshape(4, 5)[:, ::2]
    descriptor, data = describe("a", array)
    assert descriptor.dtype == "<i4"
    assert np.array_equal(from_bytes(descriptor, data), array)


@pytest.mark.parametrize("bad", [np.array(["x"]), np.array([1j]), np.array([object()]), np.zeros((1,) * 5, np.uint8)])
def test_what_cannot_travel(bad):
    with pytest.raises(BadRequest):
        describe("a", bad)


def test_long_arrays_fill_several_frames():
    array = np.random.default_rng(0).integers(0, 255, FRAME_BYTES * 2 + 5, np.uint8)
    descriptors, payload = inline({"short": np.ones(3, np.uint8), "long": array, "end": np.zeros(1, np.float64)})
    assert [len(one) for one in payload] == [3, FRAME_BYTES, FRAME_BYTES, 5, 8]
    assert np.array_equal(from_payload(descriptors, payload)["long"], array)
    assert b"".join(split(array.data)) == array.tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"d": "<c8"}, {"d": "O"}, {"d": "<f4,<f4"}, {"d": 3}, {"s": [2, -3]}, {"s": [2, 3.0]}, {"s": [2**31, 3]},
        {"s": [1, 1, 1, 2, 3]}, {"s": "23"}, {"s": [True, 6]}, {"z": 23}, {"z": -24}, {"z": 2**40}, {"z": None},
        {"c": "zstd"}, {"c": "pickle"}, {"h": b""}, {"h": "0" * 32}, {"w": -1}, {"w": 64}, {"w": "here"}, {"w": None},
        {"n": ""}, {"n": "../x"}, {"n": "x" * 65}, {"n": 1}, {"s": [2**30, 2**30, 2**30, 2**30], "z": 0},
    ],
)
def test_descriptors_that_lie(change):
    with pytest.raises(BadRequest):
        Descriptor.from_map({**GOOD, **change})
    for missing in GOOD:
        with pytest.raises(BadRequest):
            Descriptor.from_map({key: value for key, value in GOOD.items() if key != missing})


def test_payload_that_does_not_match():
    array = np.arange(5, dtype=np.int32)
    (descriptor,), payload = inline({"a": array})
    for wrong in ((), (payload[0][:-1],), (bytes(20),)):
        with pytest.raises(ProtocolError):
            from_payload([descriptor], wrong)
    with pytest.raises(ProtocolError):
        from_payload([Descriptor("a", "<i4", (5,), 20, descriptor.hash, where=3)], payload)


def test_frames_are_not_counted_twice():
    """Many descriptors of the same frames would be copied to many times the message (found by the fuzzer)."""
    descriptors, payload = inline({"a": np.zeros(2 * FRAME_BYTES, np.uint8)})
    assert from_payload(descriptors, payload)["a"].size == 2 * FRAME_BYTES
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        from_payload([*descriptors, Descriptor.from_map({**descriptors[0].to_map(), "n": "b"})], payload)
    assert tracemalloc.get_traced_memory()[1] < FRAME_BYTES
    tracemalloc.stop()


def test_nothing_is_allocated_for_a_lie():
    tracemalloc.start()
    for _ in range(50):
        try:
            Descriptor.from_map({**GOOD, "s": [2**31 - 1] * 4, "z": 2**31 - 1})
        except MaquetteError:
            continue
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(
    st.sampled_from(list("ndszchw")),
    st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=40) | st.lists(st.integers(), max_size=5)
    | st.sampled_from(["<f4", "raw", "blob", hashlib.sha256(b"").digest()]),
))
def test_any_descriptor(values):
    with contextlib.suppress(BadRequest):
        Descriptor.from_map({**GOOD, **values})
