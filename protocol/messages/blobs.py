# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes by hash and offset, both ways: results and previews as streams under byte credit, inputs as pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import checks
from ..arrays import FRAME_BYTES, Buffer
from ..compress import CODECS
from ..errors import BadRequest
from ..fields import Message, byte_count, one_frame, sha256, u32, wire


@dataclass(frozen=True)
class BlobGet(Message):
    """Stream the bytes of `hash` from `offset` as CHUNKs, first `credit` bytes.

    codec: how they may be compressed. piece: bytes of one chunk at most, so that a slow link is not filled by one.
    """

    TYPE = "BLOB_GET"
    hash: bytes = wire(sha256)
    offset: int = wire(byte_count)
    stream: int = wire(u32)
    credit: int = wire(byte_count)
    codec: str = wire(checks.one_of(*CODECS), "raw")
    piece: int = wire(checks.integer(1, FRAME_BYTES), FRAME_BYTES)


@dataclass(frozen=True)
class Credit(Message):
    """Allows so many more bytes on a stream; 0 ends the stream. piece: as in BLOB_GET, 0 to leave it."""

    TYPE = "CREDIT"
    stream: int = wire(u32)
    bytes: int = wire(byte_count)
    piece: int = wire(checks.integer(0, FRAME_BYTES), 0)


@dataclass(frozen=True)
class Chunk(Message):
    """One piece of a stream. size: bytes of the whole blob.

    crc: CRC-32 of the piece, made when the hub stored the blob and checked its hash. raw: bytes of the piece where it
    is compressed with `codec`; credit and offsets count these.
    """

    TYPE = "CHUNK"
    stream: int = wire(u32)
    hash: bytes = wire(sha256)
    offset: int = wire(byte_count)
    size: int = wire(byte_count)
    payload: tuple[Buffer, ...] = wire(one_frame, ())
    crc: int | None = wire(checks.optional(u32), None)
    codec: str = wire(checks.one_of(*CODECS), "raw")
    raw: int = wire(checks.integer(0, FRAME_BYTES), 0)


def wanted(value: Any, path: str) -> tuple[tuple[bytes, int], ...]:
    pairs = checks.listing(checks.listing(lambda one, _: one, 2), 256)(value, path)
    if any(len(pair) != 2 for pair in pairs):
        raise BadRequest(f"{path} must hold pairs of hash and size.", path=path)
    return tuple((sha256(pair[0], path), byte_count(pair[1], path)) for pair in pairs)


@dataclass(frozen=True)
class BlobCheck(Message):
    """Which of these (hash, size) are still needed? Answered by one BLOB_NEED or BLOB_OK each.

    The hub takes from a client only bytes that one of the client's jobs waits for (ERROR `not_wanted` otherwise).
    """

    TYPE = "BLOB_CHECK"
    blobs: tuple[tuple[bytes, int], ...] = wire(wanted)

    def to_map(self) -> dict[str, Any]:
        return {"blobs": [list(pair) for pair in self.blobs]}


@dataclass(frozen=True)
class BlobNeed(Message):
    """Send the bytes of `hash` from `offset`."""

    TYPE = "BLOB_NEED"
    hash: bytes = wire(sha256)
    offset: int = wire(byte_count)


@dataclass(frozen=True)
class BlobPut(Message):
    """One piece of an upload."""

    TYPE = "BLOB_PUT"
    hash: bytes = wire(sha256)
    offset: int = wire(byte_count)
    size: int = wire(byte_count)
    payload: tuple[Buffer, ...] = wire(one_frame, ())


@dataclass(frozen=True)
class BlobOk(Message):
    """The first `have` bytes of `hash` are here; `complete` once they are verified and on disk."""

    TYPE = "BLOB_OK"
    hash: bytes = wire(sha256)
    have: int = wire(byte_count)
    complete: bool = wire(checks.boolean, False)
