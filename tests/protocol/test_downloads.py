# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads: the window, what a chunk must say, damage on the way, and compression on slow links, with a model hub."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from protocol import downloads
from protocol.arrays import FRAME_BYTES, describe
from protocol.downloads import MIN_WINDOW, QUIET_SECONDS, Downloads
from protocol.errors import ProtocolError, TooLarge
from protocol.messages import BlobGet, Chunk, Credit

MIB = FRAME_BYTES


class Link:
    """A hub with sums behind a link of so many bytes a second. sums: whether chunks carry checksums."""

    def __init__(self, speed=1e9, sums=True, squeeze=False, window=4 * MIB):
        self.speed, self.sums, self.now = speed, sums, 0.0
        self.blobs: dict[bytes, bytes] = {}
        self.streams: dict[int, list] = {}
        self.sent, self.pieces, self.ended, self.most = [], [], [], 0
        self.results, self.errors = [], []
        self.damage = lambda data: data
        self.downloads = Downloads(self.sent.append)
        self.downloads.connected(window, 0.0, squeeze)

    def fetch(self, key, *arrays, limit=1 << 30):
        described = [describe(f"a{place}", array) for place, array in enumerate(arrays)]
        for one, data in described:
            self.blobs[one.hash] = bytes(data)
        self.downloads.fetch(
            key, tuple(one for one, _ in described), limit, self.now, self.results.append, self.errors.append
        )

    def step(self, wait=0.01):
        """The hub takes what was sent and answers with the pieces that the credit pays for, in order."""
        for message in self.sent:
            if isinstance(message, BlobGet):
                self.streams[message.stream] = [
                    message.hash, message.offset, message.credit, message.codec, message.piece,
                ]
            elif isinstance(message, Credit) and message.stream in self.streams:
                if message.bytes:
                    self.streams[message.stream][2] += message.bytes
                    self.streams[message.stream][4] = message.piece or self.streams[message.stream][4]
                else:
                    self.ended.append(message.stream)
                    del self.streams[message.stream]
        self.sent.clear()
        self.most = max(self.most, sum(one[2] for one in self.streams.values()))
        for name, (digest, offset, credit, codec, most) in list(self.streams.items()):
            data = self.blobs[digest]
            count = min(most, credit, MIB - offset % MIB, len(data) - offset)
            if count <= 0:
                continue
            piece = data[offset : offset + count]
            whole = offset % MIB == 0 and (count == MIB or offset + count == len(data))
            crc = zlib.crc32(piece) if self.sums and whole else None
            self.pieces.append((name, offset, count, codec))
            stream = self.streams.pop(name)
            self.streams[name] = [digest, offset + count, credit - count, *stream[3:]]  # the others have their turn
            self.now += count / self.speed
            self.downloads.chunk(Chunk(name, digest, offset, len(data), (self.damage(piece),), crc), self.now)
            return
        self.now += wait
        self.downloads.tick(self.now)

    def run(self, steps=2000):
        for _ in range(steps):
            if not self.downloads.sets:
                return
            self.step()
        raise AssertionError("it never ended")


def noise(size, seed=1):
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 9 * MIB + 17])
def test_everything_arrives_within_the_window(sums, size):
    link = Link(sums=sums)
    first, second = noise(size), noise(3 * MIB, 2)
    link.fetch("x", first, second, np.float32([1, 2]))
    link.run()
    (result,) = link.results
    assert np.array_equal(result["a0"], first) and np.array_equal(result["a1"], second)
    assert link.most <= 4 * MIB  # all streams together
    if sums:
        assert all(offset % MIB == 0 for _, offset, _, _ in link.pieces)  # so that every piece has its checksum


def test_what_is_small_does_not_wait_behind_what_is_long():
    link = Link(speed=50e6)
    link.fetch("long", noise(60 * MIB))
    for _ in range(6):
        link.step()
    link.fetch("preview", noise(100_000, 3))
    before = len(link.pieces)
    while not link.results:
        link.step()
    assert len(link.results[0]["a0"]) == 100_000 and len(link.pieces) - before <= 6


def test_a_slow_link_has_a_small_window_and_is_compressed_only_where_that_was_agreed():
    for squeeze, codecs in ((False, {"raw"}), (True, {"raw", "zstd"})):
        link = Link(speed=2e6, squeeze=squeeze)
        link.fetch("x", noise(12 * MIB))
        for _ in range(20):
            link.step()
        assert link.downloads._target == pytest.approx(2e6 * downloads.WINDOW_SECONDS, rel=0.2)
        link.fetch("y", noise(100_000, 2))
        link.run()
        assert len(link.results) == 2 and {one[3] for one in link.pieces} == codecs
        assert max(one[2] for one in link.pieces[-10:]) <= MIN_WINDOW  # in small pieces
    link = Link(speed=900e6, squeeze=True)
    link.fetch("x", noise(30 * MIB))
    link.fetch("y", noise(30 * MIB, 2))
    link.run()
    assert {one[3] for one in link.pieces} == {"raw"} and link.downloads._target == 4 * MIB


@pytest.mark.parametrize("sums", [True, False])
def test_damage_is_repaired_or_told(sums):
    link = Link(sums=sums)
    hurt = iter([True, False, True] + [False] * 50)
    link.damage = lambda data: bytes(len(data)) if next(hurt) else data
    link.fetch("x", noise(3 * MIB))
    link.run()
    assert np.array_equal(link.results[0]["a0"], noise(3 * MIB))
    if sums:  # only what was damaged comes again
        assert [one[1] for one in link.pieces if one[0] == 2][0] == 0
    link.damage = lambda data: bytes(len(data))
    link.fetch("y", noise(MIB, 5))
    link.run()
    assert isinstance(link.errors[0], ProtocolError) and "damaged" in link.errors[0].message + link.errors[0].hint


def test_a_piece_without_a_checksum_among_others_makes_the_whole_be_hashed():
    link = Link()
    link.fetch("x", noise(3 * MIB))
    link.step()
    link.step()
    link.sums = False
    link.damage = lambda data: bytes(len(data))
    link.step()
    link.damage = lambda data: data
    link.run()
    assert np.array_equal(link.results[0]["a0"], noise(3 * MIB)) and not link.errors


def test_goes_on_after_a_broken_connection_and_a_lost_request():
    link = Link()
    link.fetch("x", noise(6 * MIB))
    for _ in range(3):
        link.step()
    link.downloads.disconnected()
    link.streams.clear()
    link.sent.clear()
    link.downloads.connected(4 * MIB, link.now)
    assert link.sent[0].offset == 3 * MIB
    link.sent.clear()  # and this got lost
    link.now += QUIET_SECONDS + 1
    link.downloads.tick(link.now)
    link.run()
    assert np.array_equal(link.results[0]["a0"], noise(6 * MIB))


def test_wrong_chunks_and_limits():
    link = Link()
    link.fetch("big", noise(1000), limit=999)
    assert isinstance(link.errors.pop(), TooLarge)
    link.fetch("x", noise(1000))
    (get,) = link.sent
    for wrong in (
        Chunk(get.stream + 1, get.hash, 0, 1000, (b"x",)), Chunk(get.stream, bytes(32), 0, 1000, (b"x",)),
        Chunk(get.stream, get.hash, 1, 1000, (b"x",)),
    ):
        link.downloads.chunk(wrong, 0.0)
        assert not link.errors and not link.downloads.sets["x"].fetches[0].have
    for _ in range(downloads.MAX_TRIES):
        stream = link.downloads.next_stream - 1
        link.downloads.chunk(Chunk(stream, get.hash, 0, 1001, (b"x",)), 0.0)
    assert isinstance(link.errors[0], ProtocolError) and not link.downloads.sets and not link.downloads.streams


@pytest.mark.parametrize("size", [0, 1, downloads.LARGE - 1, downloads.LARGE, downloads.LARGE + 12_345])
def test_memory_for_an_array_has_its_size_and_can_be_written(size):
    memory = downloads.room(size)
    assert memory.shape == (size,) and memory.dtype == np.uint8 and memory.flags.writeable
    memory[:] = 7
    assert int(memory.sum(dtype=np.int64)) == 7 * size


def test_more_memory_than_there_is_is_refused_with_memory_error():
    with pytest.raises(MemoryError):
        downloads.room(1 << 60)
