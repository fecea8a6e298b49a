# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs of jobs on their way in: which bytes a user may send, where an upload stands, and what follows at its end.

A user may only send bytes that one of the user's own jobs waits for, so nothing lies around that nobody asked for.
Whether another user's job already brought the same bytes is never told and saves nothing: who knows a hash has not
shown that he has the bytes.
"""

from __future__ import annotations

import logging

from backend.hub.blobs import BlobStore
from backend.hub.desk import Desk
from backend.hub.states import NEED_BLOBS, BlobsArrived
from protocol.errors import BadRequest, MaquetteError, NotWanted
from protocol.messages import BlobNeed, BlobOk, BlobPut

log = logging.getLogger("maquette.hub")


class Inputs:
    """Uploads of all users."""

    def __init__(self, desk: Desk, blobs: BlobStore) -> None:
        self._desk = desk
        self._blobs = blobs

    def recover(self) -> None:
        """After a start: a job whose last input was noted just before the hub was killed goes on."""
        for job in self._desk.store.jobs_in([NEED_BLOBS]):
            if self._desk.store.has_inputs(job.id):
                self._desk.apply(job, BlobsArrived())

    def check(self, user: str, digest: bytes, size: int) -> BlobNeed | BlobOk:
        """Where the upload of these bytes stands. Raises NotWanted, BadRequest or OutOfSpace, detail: `hash`."""
        if self._settled(user, digest, size):
            return BlobOk(digest, size, True)
        try:
            have = self._blobs.begin(digest, size, user)
            if have < size:
                return BlobNeed(digest, have)
            self._arrived(user, digest, size)
            return BlobOk(digest, size, True)
        except MaquetteError as problem:
            problem.detail["hash"] = digest
            raise

    def put(self, user: str, message: BlobPut) -> BlobOk:
        """Take one piece. Raises as `check`, and ProtocolError when the whole does not have the hash."""
        digest, size = message.hash, message.size
        if self._settled(user, digest, size):
            return BlobOk(digest, size, True)
        try:
            have = self._blobs.put(digest, message.offset, size, message.payload[0], user)
            if have == size:
                self._arrived(user, digest, size)
            return BlobOk(digest, have, have == size)
        except MaquetteError as problem:
            problem.detail["hash"] = digest
            raise

    def collect(self) -> None:
        """Throw away what was begun for jobs that no longer wait."""
        for user, digest in self._blobs.uploads():
            if user and self._desk.store.input_wanted(digest, user) is None:
                self._blobs.abandon(digest, user)

    def _settled(self, user: str, digest: bytes, size: int) -> bool:
        """Whether the bytes are here already, and from this user. Raises NotWanted when no job waits for them."""
        wanted = self._desk.store.input_wanted(digest, user)
        if wanted is None:
            if self._desk.store.blob_is_of(digest, user) and self._blobs.has(digest):
                return True
            raise NotWanted("No job of yours waits for these bytes.", detail={"hash": digest})
        if wanted != size:
            raise BadRequest(f"The job announced {wanted} bytes, not {size}.", path="size", detail={"hash": digest})
        return False

    def _arrived(self, user: str, digest: bytes, size: int) -> None:
        for job in self._desk.store.input_arrived(digest, size, user):
            self._desk.apply(job, BlobsArrived())
