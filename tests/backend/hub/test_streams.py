# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of the hub: pieces end with blocks, carry their checksums, are compressed on request."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import numpy as np
import pytest

from backend.hub.blobs import BlobStore
from backend.hub.streams import WINDOW, Source, Streams
from backend.hub.sums import BlockSums, read_sums, write_sums
from protocol import compress
from protocol.arrays import FRAME_BYTES as MIB
from protocol.errors import BadRequest, QuotaExceeded, UnknownBlob
from protocol.messages import BlobGet, Credit

DATA = np.random.default_rng(3).integers(0, 256, 5 * MIB // 2, np.uint8).tobytes()
NAME = hashlib.sha256(DATA).digest()


@pytest.fixture
def blobs(tmp_path):
    store = BlobStore(tmp_path / "blobs", free=lambda folder: 1 << 40)
    for begin in range(0, len(DATA), 700_000):  # pieces that know nothing of blocks
        store.put(NAME, begin, len(DATA), DATA[begin : begin + 700_000])
    return store


def pumped(streams, turns=10, room=10**9):
    sent = []

    def send(chunk):
        if len(sent) >= room:
            return False
        sent.append(chunk)
        return True

    for _ in range(turns):
        streams.pump(send)
    return sent


def find(blobs):
    return lambda digest: Source.of_file(blobs.open(digest), blobs.sums(digest))


def test_pieces_end_with_blocks_and_carry_their_sums(blobs):
    streams = Streams()
    streams.begin(BlobGet(NAME, 0, 1, WINDOW), find(blobs))
    chunks = pumped(streams)
    assert [(one.offset, len(one.payload[0])) for one in chunks] == [(0, MIB), (MIB, MIB), (2 * MIB, MIB // 2)]
    assert all(one.crc == zlib.crc32(one.payload[0]) for one in chunks)
    assert b"".join(bytes(one.payload[0]) for one in chunks) == DATA and not streams.ready
    streams.begin(BlobGet(NAME, 100, 1, WINDOW), find(blobs))
    chunks = pumped(streams)
    assert [(one.offset, one.crc is None) for one in chunks] == [(100, True), (MIB, False), (2 * MIB, False)]


def test_bytes_that_rotted_on_the_disk_keep_the_sum_of_the_good_ones(blobs):
    path = blobs.path(NAME)
    with open(path, "r+b") as file:
        file.seek(MIB + 5)
        file.write(bytes([DATA[MIB + 5] ^ 1]))
    streams = Streams()
    streams.begin(BlobGet(NAME, 0, 1, WINDOW), find(blobs))
    assert [one.crc == zlib.crc32(one.payload[0]) for one in pumped(streams)] == [True, False, True]


def test_small_pieces_credit_and_a_slow_peer(blobs):
    streams = Streams()
    streams.begin(BlobGet(NAME, 0, 1, 300_000, piece=100_000), find(blobs))
    assert [len(one.payload[0]) for one in pumped(streams)] == [100_000] * 3
    streams.credit(Credit(1, MIB, MIB))
    assert pumped(streams, room=0) == []  # libzmq takes nothing now
    (first, second) = pumped(streams)
    assert first.offset == 300_000 and first.offset + len(first.payload[0]) == MIB == second.offset
    streams.credit(Credit(1, 0))
    streams.credit(Credit(1, MIB))
    assert pumped(streams) == []


def test_pieces_outlive_the_stream_and_the_file(blobs):
    streams = Streams()
    streams.begin(BlobGet(NAME, 0, 1, MIB), find(blobs))
    (chunk,) = pumped(streams)
    streams.end_all()
    blobs.remove(NAME)
    assert bytes(chunk.payload[0]) == DATA[:MIB]  # libzmq may not have sent it yet
    assert not blobs.has(NAME) and blobs.sums(NAME) == ()
    with pytest.raises(UnknownBlob):
        blobs.open(NAME)


def test_compressed_where_it_pays():
    pytest.importorskip("zstandard")
    smooth, noise = np.arange(MIB, dtype=np.int32).tobytes(), DATA[:MIB] * 4
    for data, expected in ((smooth, ["shuf4+zstd"] * 4), (noise, ["raw"] * 4)):
        streams = Streams()
        streams.begin(BlobGet(NAME, 0, 1, WINDOW, "shuf4+zstd"), lambda digest, data=data: Source(
            len(data), memory=memoryview(data)
        ))
        chunks = pumped(streams)
        assert [one.codec for one in chunks] == expected
        assert [one.offset for one in chunks] == [0, MIB, 2 * MIB, 3 * MIB]
        target = np.zeros(MIB, np.uint8)
        for one in chunks:
            if one.codec != "raw":
                compress.decompress(one.codec, one.payload[0], target)
                assert one.raw == MIB and target.tobytes() == data[one.offset : one.offset + MIB]


def test_limits(blobs):
    streams = Streams()
    with pytest.raises(BadRequest):
        streams.begin(BlobGet(NAME, len(DATA) + 1, 1, 1), find(blobs))
    for stream in range(8):
        streams.begin(BlobGet(NAME, 0, stream, 0), find(blobs))
    with pytest.raises(QuotaExceeded):
        streams.begin(BlobGet(NAME, 0, 9, 0), find(blobs))
    streams.end_all()


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_sums_do_not_depend_on_the_pieces(tmp_path: Path, size):
    data = (DATA * 2)[:size]
    sums = BlockSums()
    for begin in range(0, size, 333_333):
        sums.update(data[begin : begin + 333_333])
    assert sums.all == tuple(zlib.crc32(data[begin : begin + MIB]) for begin in range(0, size, MIB))
    path = tmp_path / "sums"
    assert read_sums(path) == ()
    write_sums(path, sums)
    assert read_sums(path) == sums.all
    for broken in (b"", b"x", path.read_bytes()[:-1] + b"\xff\x01"[: 1 + size % 2], path.read_bytes() + b"abcd"):
        path.write_bytes(broken)
        assert read_sums(path) == ()
