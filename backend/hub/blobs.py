# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes by their SHA-256: written to a temporary file, hashed on the way, synced, renamed; never half there.

A result's arrays live here. An upload goes on where it stopped as long as the hub runs; after a restart it begins
again. Previews are kept in memory only, the newest of each job, under the same address by hash.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from backend.hub.sums import BlockSums, read_sums, write_sums
from protocol.arrays import Buffer
from protocol.errors import BadRequest, OutOfSpace, ProtocolError, UnknownBlob

RESERVE_BYTES = 256 << 20  # free space that uploads leave alone, so that the job store can always write

SYNC_BYTES = 8 << 20  # of an upload, then it is synced: many short waits, where one long one would hold up all others


def free_bytes(folder: Path) -> int:
    """Free space on the folder's disk."""
    return shutil.disk_usage(folder).free


@dataclass
class _Upload:
    path: Path
    size: int
    hasher: Any
    sums: BlockSums
    have: int = 0


class BlobStore:
    """A folder of blobs. free: how many bytes the disk has left (a function, so that tests can fill it)."""

    def __init__(
        self, folder: Path, free: Callable[[Path], int] = free_bytes, reserve: int = RESERVE_BYTES
    ) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._free = free
        self._reserve = reserve
        self._uploads: dict[tuple[str, bytes], _Upload] = {}
        self._made = 0
        shutil.rmtree(self._incoming, ignore_errors=True)  # what a killed hub left behind
        self._incoming.mkdir(parents=True)
        self._sums = folder / "sums"
        self._sums.mkdir(exist_ok=True)

    def path(self, digest: bytes) -> Path:
        """Where the blob lies, or would lie."""
        name = digest.hex()
        return self.folder / name[:2] / name

    def has(self, digest: bytes) -> bool:
        """Whether the blob is here, whole."""
        return self.path(digest).exists()

    def has_room(self) -> bool:
        """Whether the disk has more than the reserve."""
        return self._free(self.folder) >= self._reserve

    def free(self) -> int:
        """Bytes free on the disk."""
        return self._free(self.folder)

    def shortage(self) -> int:
        """Bytes that should be freed, so that uploads find twice the reserve; 0 when there is enough."""
        return max(0, 2 * self._reserve - self._free(self.folder))

    def require_space(self, need: int) -> None:
        """Raises OutOfSpace when `need` bytes would use up the reserve."""
        free = self._free(self.folder)
        if free - need < self._reserve:
            raise OutOfSpace(
                f"The disk of {self.folder} is almost full: {free >> 20} MiB are free, "
                f"{(need + self._reserve) >> 20} MiB are needed.", hint="Free some space there; the job waits.",
                detail={"folder": str(self.folder), "need": need + self._reserve, "free": free},
            )

    def uploads(self) -> list[tuple[str, bytes]]:
        """Who has begun to send which bytes and has not ended; the owner is empty for a worker."""
        return list(self._uploads)

    def begin(self, digest: bytes, size: int, owner: str = "") -> int:
        """Where an upload stands: the offset to send from, `size` when nothing is missing.

        Uploads of different owners do not meet: an owner has to send all bytes, even those that are here from another.
        """
        if not owner and self.has(digest):
            return size
        upload = self._uploads.get((owner, digest))
        if upload is not None and upload.size == size:
            return upload.have
        self.abandon(digest, owner)
        self.require_space(size)
        if size == 0:
            self._start(digest, size, owner)
            self._finish(digest, owner)
        return 0

    def put(self, digest: bytes, offset: int, size: int, data: Buffer, owner: str = "") -> int:
        """Take one piece; gives the number of bytes now here. A piece at another offset changes nothing.

        Raises OutOfSpace (the upload stays where it was), BadRequest for too many bytes, ProtocolError when the
        whole does not have the hash; then the upload is gone.
        """
        have = self.begin(digest, size, owner)
        if have == size or offset != have:
            return have
        if have + len(data) > size:
            raise BadRequest(f"The upload has more than the announced {size} bytes.", path="payload")
        self.require_space(len(data))
        upload = self._uploads.get((owner, digest)) or self._start(digest, size, owner)
        try:
            with open(upload.path, "r+b") as file:  # no handle is kept: thousands of uploads may have begun
                file.seek(have)
                file.write(data)
                if have // SYNC_BYTES != (have + len(data)) // SYNC_BYTES:
                    file.flush()
                    os.fsync(file.fileno())
            upload.hasher.update(data)
            upload.sums.update(data)
            upload.have += len(data)
            if upload.have == size:
                self._finish(digest, owner)
        except OSError as problem:
            if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            self.abandon(digest, owner)
            raise OutOfSpace(
                f"The disk of {self.folder} is full.", hint="Free some space there; the job waits.",
                detail={"folder": str(self.folder), "need": size},
            ) from problem
        return min(upload.have, size)

    def abandon(self, digest: bytes, owner: str = "") -> None:
        """Throw an unfinished upload away."""
        upload = self._uploads.pop((owner, digest), None)
        if upload is not None:
            upload.path.unlink(missing_ok=True)

    def open(self, digest: bytes) -> BinaryIO:
        """The blob for reading. Raises UnknownBlob."""
        try:
            return open(self.path(digest), "rb")
        except FileNotFoundError as problem:
            raise UnknownBlob("The hub does not hold these bytes.", detail={"hash": digest}) from problem

    def sums(self, digest: bytes) -> tuple[int, ...]:
        """CRC-32 of each 1 MiB of the blob, made while its hash was checked; empty where there are none."""
        return read_sums(self._sums_path(digest))

    def remove(self, digest: bytes) -> None:
        """Delete the blob. Who reads it just now reads on."""
        self.path(digest).unlink(missing_ok=True)
        self._sums_path(digest).unlink(missing_ok=True)

    def _sums_path(self, digest: bytes) -> Path:
        return self._sums / digest.hex()

    def _start(self, digest: bytes, size: int, owner: str) -> _Upload:
        self._made += 1
        upload = _Upload(self._incoming / f"{digest.hex()}.{self._made}", size, hashlib.sha256(), BlockSums())
        upload.path.touch()
        self._uploads[(owner, digest)] = upload
        return upload

    def _finish(self, digest: bytes, owner: str) -> None:
        upload = self._uploads[(owner, digest)]
        if upload.hasher.digest() != digest:
            self.abandon(digest, owner)
            raise ProtocolError("The uploaded bytes do not have the announced hash.", detail={"hash": digest})
        with open(upload.path, "r+b") as file:
            os.fsync(file.fileno())  # the bytes, before the name that promises them
        write_sums(self._sums_path(digest), upload.sums)
        target = self.path(digest)
        target.parent.mkdir(exist_ok=True)
        os.replace(upload.path, target)
        _sync_folder(target.parent)
        del self._uploads[(owner, digest)]


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows cannot open folders and does not need it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
