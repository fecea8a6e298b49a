# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest progress and previews of each job: one slot for each kind, so that a slow client costs no memory.

A preview that is too large for the control connection is kept as bytes by hash, to be fetched like a blob; the one
before it is kept too, because a client may be fetching it just now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backend.hub.streams import Source
from protocol.arrays import IN_BLOB, Descriptor, from_payload
from protocol.messages import MAX_INLINE_PREVIEW, Ephemeral
from protocol.worker_messages import WorkerEphemeral

Key = tuple[str, str]  # job and kind


@dataclass
class _Slot:
    message: Ephemeral
    blobs: dict[bytes, memoryview]


class Newest:
    """All slots of a hub."""

    def __init__(self) -> None:
        self._slots: dict[Key, _Slot] = {}
        self._before: dict[str, _Slot] = {}
        self._counter = 0

    def put(self, message: WorkerEphemeral, last_seq: int) -> Key:
        """Keep a worker's message as the newest of its kind. Raises ProtocolError when its arrays do not match."""
        self._counter += 1
        arrays: tuple[Descriptor, ...] = message.arrays
        blobs: dict[bytes, memoryview] = {}
        payload = tuple(bytes(one) for one in message.payload)  # the receive buffer is not kept
        if sum(len(one) for one in payload) > MAX_INLINE_PREVIEW:
            views = from_payload(arrays, payload)
            blobs = {one.hash: memoryview(views[one.name].reshape(-1).view("u1").data) for one in arrays if one.size}
            arrays = tuple(Descriptor(one.name, one.dtype, one.shape, one.size, one.hash, IN_BLOB) for one in arrays)
            payload = ()
        key = (message.job, message.kind)
        if key in self._slots and self._slots[key].blobs:
            self._before[message.job] = self._slots[key]
        self._slots[key] = _Slot(Ephemeral(
            message.job, last_seq, self._counter, message.kind, message.stage, message.fraction, message.text,
            message.seconds_left, arrays, payload,
        ), blobs)
        return key

    def get(self, key: Key) -> Ephemeral | None:
        """The newest message of a job and kind."""
        slot = self._slots.get(key)
        return None if slot is None else slot.message

    def of(self, job: str) -> list[Key]:
        """What there is of a job."""
        return [key for key in self._slots if key[0] == job]

    def find(self, digest: bytes, may_see: Callable[[str], bool]) -> Source | None:
        """The bytes of a preview's array, of a job that the asker may see."""
        for slot in (*self._slots.values(), *self._before.values()):
            if digest in slot.blobs and may_see(slot.message.job):
                return Source(len(slot.blobs[digest]), memory=slot.blobs[digest])
        return None

    def drop(self, job: str) -> None:
        """The job has ended."""
        self._before.pop(job, None)
        for key in self.of(job):
            del self._slots[key]
