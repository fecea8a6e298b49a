# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed pieces come back as they were, and a hostile one costs no memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from protocol import compress
from protocol.errors import ProtocolError

zstandard = pytest.importorskip("zstandard")
CORNERS = np.arange(100 * 100, dtype=np.int32).reshape(100, 100)[:-1, :-1].ravel()
FACES = np.stack([CORNERS, CORNERS + 1, CORNERS + 101], 1)[:-1]  # half of a grid's triangles, in the usual order


def unpacked(codec, data, size):
    target = np.zeros(size, np.uint8)
    compress.decompress(codec, data, target)
    return target.tobytes()


@pytest.mark.parametrize("codec", compress.CODECS[1:])
def test_there_and_back(codec):
    data = FACES.tobytes()
    packed = compress.compress(codec, data)
    assert packed is not None and len(packed) < 0.5 * len(data)
    assert unpacked(codec, packed, len(data)) == data
    assert unpacked(codec, memoryview(packed), len(data)) == data


def test_sorting_the_bytes_pays():
    plain, sorted_ = (compress.compress(codec, FACES.tobytes()) for codec in ("zstd", "shuf4+zstd"))
    assert len(sorted_) < 0.5 * len(plain)
    assert compress.codec_for(4) == "shuf4+zstd" and compress.codec_for(1) == "zstd"


def test_what_does_not_become_smaller_is_left():
    assert compress.compress("zstd", np.random.default_rng(1).bytes(10_000)) is None
    assert compress.compress("shuf4+zstd", bytes(10_001)) is None  # not whole numbers


def test_hostile_pieces_are_refused_before_memory_is_used():
    bomb = zstandard.ZstdCompressor().compress(bytes(200 << 20))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1000))
    good = compress.compress("zstd", bytes(1000))
    tracemalloc.start()
    for codec, data, size in (
        ("zstd", bomb, 1000), ("zstd", unsized, 1000), ("zstd", good, 999), ("zstd", good, 1001), ("zstd", b"", 1000),
        ("zstd", good[:-3], 1000), ("zstd", good + b"x", 1000), ("zstd", b"junk" * 10, 1000), ("lz4", good, 1000),
        ("raw", bytes(1000), 1000), ("shuf8+zstd", compress.compress("zstd", bytes(1001)), 1001),
    ):
        with pytest.raises(ProtocolError):
            compress.decompress(codec, data, np.zeros(size, np.uint8))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_damaged_pieces_never_raise_anything_else():
    rng = np.random.default_rng(3)
    good = compress.compress("shuf4+zstd", FACES.tobytes())
    for _ in range(300):
        damaged = bytearray(good)
        damaged[rng.integers(len(good))] = rng.integers(256)
        try:
            unpacked("shuf4+zstd", bytes(damaged), FACES.nbytes)
        except ProtocolError:
            continue


def test_without_the_library_nothing_is_offered(monkeypatch):
    monkeypatch.setitem(compress._modules, "zstd", None)
    assert not compress.available()
    with pytest.raises(ProtocolError, match="zstandard"):
        compress.decompress("zstd", b"x", np.zeros(1, np.uint8))
