# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's bytes on their way to the hub, as a state machine without I/O: the result of a job, or a checkpoint.

One parcel goes at a time, blob by blob in pieces, from where the hub says that it stands; a checkpoint that is kept
meanwhile waits, and a newer one takes its place. What is reported once the bytes are there is the owner's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.worker.held import Held
from protocol.arrays import FRAME_BYTES, Descriptor
from protocol.fields import Message
from protocol.messages import BlobCheck, BlobNeed, BlobOk, BlobPut

WINDOW = 4 * FRAME_BYTES  # on their way at once (section 16.1: four frames saturate the loopback)
QUIET_SECONDS = 3.0


@dataclass
class Parcel:
    """Bytes of one lease. final: they are the result, else a checkpoint. waiting: hashes that are not there yet."""

    held: Held
    arrays: dict[bytes, tuple[Descriptor, memoryview]]
    manifest: tuple[Descriptor, ...]
    waiting: list[bytes]
    final: bool
    sent: int = 0
    known: bool = False
    heard: float = 0.0
    full_since: float | None = None


class Delivery:
    """The parcels of one worker. post: sends a message. arrived: called when the hub has all bytes of a parcel."""

    def __init__(self, post: Callable[[Message], None], arrived: Callable[[Parcel, float], None]) -> None:
        self._post = post
        self._arrived = arrived
        self.parcel: Parcel | None = None
        self._next: Parcel | None = None  # a checkpoint, which waits until the one before it has arrived

    def deliver(self, held: Held, arrays: Sequence[tuple[Descriptor, memoryview]], now: float) -> None:
        """Send the result; checkpoints no longer matter."""
        self._next = None
        self._begin(_parcel(held, arrays, True), now)

    def keep(self, held: Held, descriptor: Descriptor, data: memoryview, now: float) -> None:
        """Send a checkpoint, once the one before it has arrived."""
        one = _parcel(held, [(descriptor, data)], False)
        if self.parcel is None:
            self._begin(one, now)
        else:
            self._next = one

    def go_on(self, now: float) -> bool:
        """A checkpoint has arrived, or never will: send the one that waits. False when none does."""
        self.parcel, self._next = self._next, None
        self._ask(now)
        return self.parcel is not None

    def again(self, now: float) -> None:
        """An array is missing at the hub: begin the parcel again."""
        if self.parcel is not None:
            self.parcel.waiting = list(self.parcel.arrays)
            self._ask(now)

    def reconnected(self, now: float) -> None:
        """The connection is new: ask soon where the parcel stands."""
        if self.parcel is not None:
            self.parcel.known, self.parcel.heard = False, now - QUIET_SECONDS

    def drop(self) -> None:
        """Nobody wants these bytes any more."""
        self.parcel = self._next = None

    def tick(self, now: float) -> None:
        """Lost on the way, or the hub is new: ask where we stand."""
        if self.parcel is not None and self.parcel.waiting and now - self.parcel.heard > QUIET_SECONDS:
            self._ask(now)

    def need(self, message: BlobNeed, now: float) -> None:
        """The hub lacks bytes from an offset on."""
        parcel = self._waiting_for(message.hash)
        if parcel is not None and not parcel.known:
            parcel.known, parcel.heard, parcel.sent = True, now, message.offset
            self._send_pieces(parcel, message.offset)

    def ok(self, message: BlobOk, now: float) -> None:
        """The hub has so many bytes."""
        parcel = self._waiting_for(message.hash)
        if parcel is None:
            return
        parcel.heard, parcel.full_since = now, None
        if message.complete:
            parcel.waiting.pop(0)
            self._ask(now)
        elif parcel.known:
            self._send_pieces(parcel, message.have)

    def no_room(self, parcel: Parcel, now: float) -> float | None:
        """The hub's disk is full; asked again later. Gives for how many seconds it has been, None the first time."""
        parcel.known, parcel.heard = False, now
        if parcel.full_since is None:
            parcel.full_since = now
            return None
        return now - parcel.full_since

    def _begin(self, parcel: Parcel, now: float) -> None:
        self.parcel = parcel
        self._ask(now)

    def _ask(self, now: float) -> None:
        """Ask where the next blob stands; where there is none, the parcel has arrived."""
        parcel = self.parcel
        if parcel is None:
            return
        parcel.known, parcel.sent = False, 0
        if parcel.waiting:
            parcel.heard = now
            digest = parcel.waiting[0]
            self._post(BlobCheck(((digest, parcel.arrays[digest][0].size),)))
        else:
            self._arrived(parcel, now)

    def _waiting_for(self, digest: bytes) -> Parcel | None:
        parcel = self.parcel
        return parcel if parcel is not None and parcel.waiting and parcel.waiting[0] == digest else None

    def _send_pieces(self, parcel: Parcel, have: int) -> None:
        descriptor, data = parcel.arrays[parcel.waiting[0]]
        while parcel.sent < descriptor.size and parcel.sent - have < WINDOW:
            piece = data[parcel.sent : parcel.sent + FRAME_BYTES]
            self._post(BlobPut(descriptor.hash, parcel.sent, descriptor.size, (piece,)))
            parcel.sent += len(piece)


def _parcel(held: Held, arrays: Sequence[tuple[Descriptor, memoryview]], final: bool) -> Parcel:
    found = {one.hash: (one, data) for one, data in arrays}
    return Parcel(held, found, tuple(one for one, _ in arrays), list(found), final)
