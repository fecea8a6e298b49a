# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching sets of arrays by hash and offset, as a state machine without I/O.

A set (a result, a large preview) is a list of descriptors whose bytes lie at the hub. Each array is streamed in
chunks that the receiver pays for with credit, written into memory that is allocated once after the descriptor was
checked, verified on the way, and asked for again from where it stopped when the connection breaks or goes quiet.

Verified means: the hub checked the SHA-256 when it stored the bytes, and every chunk is compared with the checksum
that was made of it then. Where a chunk comes without one (an older hub, a piece of a block), the SHA-256 of the whole
array is worked out here, at three times the cost (tests/benchmarks/streaming.py).

The window is what may be on its way at once, over all arrays together: as much as the link carries in a quarter of
a second, so that a slow link never holds back what is asked for next (protocol reference, section 6).
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import compress
from .arrays import DTYPES, FRAME_BYTES, Descriptor, from_bytes
from .errors import MaquetteError, ProtocolError, TooLarge, UnknownBlob
from .fields import Message
from .messages import BlobGet, Chunk, Credit

MAX_STREAMS = 4  # at once; the hub allows 8 a user (reference, section 15)
QUIET_SECONDS = 15.0  # without a chunk before the stream is asked for again
MAX_TRIES = 3  # times that bytes of an array may arrive wrong, before giving up
WINDOW_SECONDS = 0.25  # of the link's rate
MIN_WINDOW = 256 * 1024
MIN_PIECE = 64 * 1024
SLOW_LINK = 30e6  # bytes a second; compressing takes the hub less time than sending, below this
LARGE = 4 << 20  # bytes from which on numpy asks for huge pages


def room(size: int) -> NDArray[np.uint8]:
    """Memory for so many bytes, in small pages: the first touch of a huge one stops the caller for the time that the
    system needs to clear 2 MiB, which alone may be longer than a timer's tick. Raises MemoryError."""
    if size < LARGE:
        return np.empty(size, np.uint8)
    try:
        if not hasattr(mmap, "MAP_ANONYMOUS"):  # Windows has no huge pages unless one asks
            return np.frombuffer(mmap.mmap(-1, size), np.uint8)
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            with contextlib.suppress(OSError):  # a kernel built without huge pages does not know the word
                pages.madvise(mmap.MADV_NOHUGEPAGE)
    except OSError as problem:
        raise MemoryError(str(problem)) from problem
    return np.frombuffer(pages, np.uint8)


@dataclass
class _Fetch:
    descriptor: Descriptor
    data: NDArray[np.uint8]
    have: int = 0
    asked: int = 0  # credit is given up to here
    heard: float = 0.0
    hasher: Any = None  # of the first `hashed` bytes, once a chunk came without a checksum
    hashed: int = 0
    bad: int = 0
    done: bool = False

    @property
    def size(self) -> int:
        return self.descriptor.size

    def add_to_hash(self) -> None:
        """Take in what has arrived and was not hashed yet."""
        self.hasher = self.hasher or hashlib.sha256()
        self.hasher.update(self.data[self.hashed : self.have])
        self.hashed = self.have


@dataclass
class _Set:
    key: Hashable
    fetches: list[_Fetch]
    finished: Callable[[dict[str, NDArray[Any]]], None]
    failed: Callable[[MaquetteError], None]


@dataclass
class Downloads:
    """All transfers of one client. `send` queues a message on the bulk connection.

    squeeze: whether the hub may be asked to compress (negotiated, and never on this very machine).
    """

    send: Callable[[Message], None]
    window: int = 4 << 20
    squeeze: bool = False
    ready: bool = False
    rate: float = 0.0  # bytes a second, as last measured while the link was the limit; 0 before
    sets: OrderedDict[Hashable, _Set] = field(default_factory=OrderedDict)
    streams: dict[int, tuple[_Set, _Fetch]] = field(default_factory=dict)
    next_stream: int = 1
    _target: int = 4 << 20
    _outstanding: int = 0
    _since: float = 0.0
    _got: int = 0

    def fetch(
        self,
        key: Hashable,
        descriptors: tuple[Descriptor, ...],
        limit: int,
        now: float,
        finished: Callable[[dict[str, NDArray[Any]]], None],
        failed: Callable[[MaquetteError], None],
    ) -> None:
        """Begin to fetch a set under `key`; an older set with the same key is dropped. limit: bytes of all arrays."""
        self.drop(key)
        total = sum(one.size for one in descriptors)
        if total > limit:
            failed(TooLarge(f"The arrays have {total:,} bytes, at most {limit:,} are allowed.", path="arrays"))
            return
        try:
            fetches = [_Fetch(one, room(one.size)) for one in descriptors]
        except MemoryError:
            failed(ProtocolError(f"There is no memory for {total:,} bytes of arrays."))
            return
        for one in fetches:
            one.done = one.size == 0
        self.sets[key] = _Set(key, fetches, finished, failed)
        self._finish_if_done(self.sets[key])
        self._advance(now)

    def drop(self, key: Hashable) -> None:
        """Forget a set; its open streams are ended."""
        old = self.sets.pop(key, None)
        for stream, (owner, _) in list(self.streams.items()):
            if owner is old:
                self._end(stream, tell=True)

    def connected(self, window: int, now: float, squeeze: bool = False) -> None:
        """The bulk connection is (again) open: ask for what is missing."""
        self.ready, self.window, self.squeeze = True, max(1, window), squeeze and compress.available()
        self._target, self.rate, self._outstanding = self.window, 0.0, 0
        self.streams.clear()
        self._advance(now)

    def disconnected(self) -> None:
        """The bulk connection is gone; what has arrived is kept."""
        self.ready = False
        self.streams.clear()

    def tick(self, now: float) -> None:
        """Ask again for streams that went quiet."""
        if not self.ready:
            return
        for stream, (_, one) in list(self.streams.items()):
            if now - one.heard > QUIET_SECONDS:
                self._end(stream, tell=True)
        self._advance(now)

    def chunk(self, message: Chunk, now: float) -> None:
        """One chunk came. Wrong or old ones are dropped; bytes that are damaged are asked for again."""
        entry = self.streams.get(message.stream)
        if entry is None:
            return
        owner, one = entry
        one.heard = now
        if message.hash != one.descriptor.hash or message.offset != one.have:
            return
        try:
            count = self._take(one, message)
        except ProtocolError as problem:
            self._damaged(message.stream, owner, one, problem, now)
            return
        one.have += count
        self._outstanding -= min(count, self._outstanding)
        self._measure(len(message.payload[0]), now)
        if message.crc is None:
            one.add_to_hash()
        if one.have == one.size:
            self._complete(message.stream, owner, one, now)
        self._advance(now)

    def missing(self, digest: bytes) -> None:
        """The hub does not have these bytes."""
        for owner in list(self.sets.values()):
            if any(one.descriptor.hash == digest and not one.done for one in owner.fetches):
                self._fail(owner, UnknownBlob("The hub no longer has the bytes of this job.", hint="Run it again."))

    # One chunk

    def _take(self, one: _Fetch, message: Chunk) -> int:
        """Put a chunk's bytes in their place; gives how many. Raises ProtocolError."""
        data = message.payload[0]
        count = message.raw or len(data)
        if message.size != one.size or count == 0 or one.have + count > one.size:
            raise ProtocolError(f"Array {one.descriptor.name}: the hub sends another number of bytes.")
        place = one.data[one.have : one.have + count]
        if message.codec == "raw":
            if count != len(data):
                raise ProtocolError(f"Array {one.descriptor.name}: a chunk has another length than it says.")
            place[:] = np.frombuffer(data, np.uint8)
        else:
            compress.decompress(message.codec, data, place)
        if message.crc is not None and zlib.crc32(place.data) != message.crc:
            raise ProtocolError(f"Array {one.descriptor.name}: bytes were damaged on the way.")
        return count

    def _damaged(self, stream: int, owner: _Set, one: _Fetch, problem: ProtocolError, now: float) -> None:
        self._end(stream, tell=True)
        one.bad += 1
        if one.bad >= MAX_TRIES:
            self._fail(owner, ProtocolError(
                f"{problem.message} It happened {MAX_TRIES} times.",
                hint="The hub's store or the network is damaged; see the hub's log.",
            ))
        self._advance(now)

    def _complete(self, stream: int, owner: _Set, one: _Fetch, now: float) -> None:
        self._end(stream)
        if one.hasher is not None:
            one.add_to_hash()
            if one.hasher.digest() != one.descriptor.hash:
                one.have, one.hasher, one.hashed = 0, None, 0
                self._damaged(stream, owner, one, ProtocolError(
                    f"Array {one.descriptor.name} arrived with a wrong hash."
                ), now)
                return
        one.done = True
        self._finish_if_done(owner)

    # Credit

    def _measure(self, count: int, now: float) -> None:
        """The link's rate, and from it the window. count: bytes as they came over the wire."""
        self._got += count
        if self._outstanding == 0:  # everything had come before we looked: we are the limit, not the link
            self._target = min(self.window, 2 * self._target)
            self._since, self._got = now, 0
        elif now - self._since >= WINDOW_SECONDS:
            self.rate = self._got / (now - self._since)
            self._target = min(self.window, max(MIN_WINDOW, int(self.rate * WINDOW_SECONDS)))
            self._since, self._got = now, 0

    def _advance(self, now: float) -> None:
        """Open streams and give credit as far as the window goes; what is small and new comes before what is long."""
        if not self.ready:
            return
        running = {id(one) for _, one in self.streams.values()}
        waiting = [
            (one.size - one.have, owner, one) for owner in self.sets.values() for one in owner.fetches
            if not one.done and id(one) not in running
        ]
        for _, owner, one in sorted(waiting, key=lambda entry: entry[0]):
            grant = self._grant(one.have, one.size) if len(self.streams) < MAX_STREAMS else 0
            if not grant:
                break
            if self._outstanding == 0:
                self._since, self._got = now, 0
            one.heard, one.asked = now, one.have + grant
            self._outstanding += grant
            self.streams[self.next_stream] = (owner, one)
            self.send(BlobGet(one.descriptor.hash, one.have, self.next_stream, grant, self._codec(one), self._piece))
            self.next_stream = self.next_stream % (2**32 - 1) + 1
        for stream, (_, one) in self.streams.items():
            grant = self._grant(one.asked, one.size)
            if grant:
                one.asked += grant
                self._outstanding += grant
                self.send(Credit(stream, grant, self._piece))

    @property
    def _piece(self) -> int:
        """Bytes of one chunk: a whole block, unless that would fill a small window alone."""
        return FRAME_BYTES if self._target >= 4 * FRAME_BYTES else max(MIN_PIECE, min(FRAME_BYTES, self._target // 4))

    def _grant(self, begin: int, size: int) -> int:
        """Credit for the bytes from `begin` on, 0 when it does not pay to send any now."""
        room, rest = self._target - self._outstanding, size - begin
        wide = self._target == self.window
        if rest <= 0 or room < min(rest, self._target // (2 if wide else 4)) and self._outstanding:
            return 0
        grant = min(room, rest)
        whole = (begin + grant) // FRAME_BYTES * FRAME_BYTES - begin  # whole blocks have checksums
        return whole if wide and grant < rest and whole > 0 else grant

    def _codec(self, one: _Fetch) -> str:
        if not self.squeeze or not 0 < self.rate < SLOW_LINK:
            return "raw"
        return compress.codec_for(DTYPES[one.descriptor.dtype].itemsize)

    # Ends

    def _end(self, stream: int, tell: bool = False) -> None:
        entry = self.streams.pop(stream, None)
        if entry is not None:
            self._outstanding = max(0, self._outstanding - max(0, entry[1].asked - entry[1].have))
            if tell and self.ready:
                self.send(Credit(stream, 0))

    def _finish_if_done(self, owner: _Set) -> None:
        if all(one.done for one in owner.fetches) and self.sets.get(owner.key) is owner:
            del self.sets[owner.key]
            arrays = {one.descriptor.name: from_bytes(one.descriptor, one.data.data, verify=False)
                      for one in owner.fetches}
            owner.finished(arrays)

    def _fail(self, owner: _Set, error: MaquetteError) -> None:
        self.drop(owner.key)
        owner.failed(error)
