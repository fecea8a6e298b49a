# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching sets of arrays by hash and offset, as a state machine without I/O.

A set (a result, a large preview) is a list of descriptors whose bytes lie at the hub. Each array is streamed in
chunks that the receiver pays for with credit, copied into memory that is allocated once after the descriptor was
checked, hashed on the way, and asked for again from where it stopped when the connection breaks or goes quiet.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Descriptor, from_bytes
from .errors import MaquetteError, ProtocolError, TooLarge, UnknownBlob
from .fields import Message
from .messages import BlobGet, Chunk, Credit

MAX_STREAMS = 4  # at once; the hub allows 8 a user (reference, section 15)
QUIET_SECONDS = 5.0  # without a chunk before the stream is asked for again
MAX_TRIES = 3  # whole transfers whose hash was wrong, before giving up


@dataclass
class _Fetch:
    descriptor: Descriptor
    data: NDArray[np.uint8]
    hasher: Any
    have: int = 0
    stream: int = 0
    heard: float = 0.0
    bad: int = 0
    done: bool = False


@dataclass
class _Set:
    key: Hashable
    fetches: list[_Fetch]
    finished: Callable[[dict[str, NDArray[Any]]], None]
    failed: Callable[[MaquetteError], None]
    urgent: bool = False


@dataclass
class Downloads:
    """All transfers of one client. `send` queues a message on the bulk connection."""

    send: Callable[[Message], None]
    window: int = 4 << 20
    ready: bool = False
    sets: OrderedDict[Hashable, _Set] = field(default_factory=OrderedDict)
    streams: dict[int, tuple[_Set, _Fetch]] = field(default_factory=dict)
    next_stream: int = 1

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
            fetches = [_Fetch(one, np.empty(one.size, np.uint8), hashlib.sha256()) for one in descriptors]
        except MemoryError:
            failed(ProtocolError(f"There is no memory for {total:,} bytes of arrays."))
            return
        for one in fetches:
            one.done = one.descriptor.size == 0
        self.sets[key] = _Set(key, fetches, finished, failed)
        self._finish_if_done(self.sets[key])
        self._start(now)

    def drop(self, key: Hashable) -> None:
        """Forget a set; its open streams are ended."""
        old = self.sets.pop(key, None)
        for stream, (owner, _) in list(self.streams.items()):
            if owner is old:
                del self.streams[stream]
                if self.ready:
                    self.send(Credit(stream, 0))

    def connected(self, window: int, now: float) -> None:
        """The bulk connection is (again) open: ask for what is missing."""
        self.ready, self.window = True, max(1, window)
        self.streams.clear()
        self._start(now)

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
                del self.streams[stream]
                self.send(Credit(stream, 0))
        self._start(now)

    def chunk(self, message: Chunk, now: float) -> None:
        """One chunk came. Wrong or old ones are dropped; a wrong hash at the end starts that array again."""
        entry = self.streams.get(message.stream)
        if entry is None:
            return
        owner, one = entry
        data = message.payload[0]
        one.heard = now
        if message.hash != one.descriptor.hash or message.offset != one.have or not len(data):
            return
        if message.size != one.descriptor.size or one.have + len(data) > one.descriptor.size:
            self._fail(owner, ProtocolError(f"Array {one.descriptor.name}: the hub sends another number of bytes."))
            return
        one.data[one.have : one.have + len(data)] = np.frombuffer(data, np.uint8)
        one.hasher.update(data)
        one.have += len(data)
        if one.have < one.descriptor.size:
            self.send(Credit(message.stream, len(data)))
            return
        del self.streams[message.stream]
        if one.hasher.digest() == one.descriptor.hash:
            one.done = True
            self._finish_if_done(owner)
        else:
            one.bad += 1
            one.have, one.hasher = 0, hashlib.sha256()
            if one.bad >= MAX_TRIES:
                self._fail(owner, ProtocolError(
                    f"Array {one.descriptor.name} arrived with a wrong hash {MAX_TRIES} times.",
                    hint="The hub's store or the network is damaged; see the hub's log.",
                ))
        self._start(now)

    def missing(self, digest: bytes) -> None:
        """The hub does not have these bytes."""
        for owner in list(self.sets.values()):
            if any(one.descriptor.hash == digest and not one.done for one in owner.fetches):
                self._fail(owner, UnknownBlob("The hub no longer has the bytes of this job.", hint="Run it again."))

    def _start(self, now: float) -> None:
        if not self.ready:
            return
        running = {id(one) for _, one in self.streams.values()}
        for owner in self.sets.values():
            for one in owner.fetches:
                if len(self.streams) >= MAX_STREAMS:
                    return
                if one.done or id(one) in running:
                    continue
                one.stream, one.heard = self.next_stream, now
                self.next_stream = self.next_stream % (2**32 - 1) + 1
                self.streams[one.stream] = (owner, one)
                self.send(BlobGet(one.descriptor.hash, one.have, one.stream, self.window))

    def _finish_if_done(self, owner: _Set) -> None:
        if all(one.done for one in owner.fetches) and self.sets.get(owner.key) is owner:
            del self.sets[owner.key]
            arrays = {one.descriptor.name: from_bytes(one.descriptor, one.data.data, verify=False)
                      for one in owner.fetches}
            owner.finished(arrays)

    def _fail(self, owner: _Set, error: MaquetteError) -> None:
        self.drop(owner.key)
        owner.failed(error)
