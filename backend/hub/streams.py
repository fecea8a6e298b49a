# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes on their way to one client: mapped from a blob or kept in memory, sent only against the credit it gave.

A piece of a blob is mapped into memory and handed to libzmq without a copy; the mapping goes as soon as libzmq has
sent it, so what is on its way is all the memory there is to it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from protocol import compress
from protocol.arrays import FRAME_BYTES
from protocol.errors import BadRequest, QuotaExceeded
from protocol.messages import BlobGet, Chunk, Credit

MAX_STREAMS = 8  # open at once in one session (protocol reference, section 15)
WINDOW = 4 << 20  # credit that a client may give at once, section 6
CHUNKS_A_TURN = 16  # so that control messages never wait behind bulk
SMALL = 64 * 1024  # bytes; below this a copy costs less than a mapping
GIVE_UP = 3  # pieces in a row that did not become smaller, then the stream is no longer compressed


@dataclass
class Source:
    """Where a stream's bytes come from: a file, or memory. sums: CRC-32 of each 1 MiB, where they are known."""

    size: int
    file: BinaryIO | None = None
    memory: memoryview | None = None
    sums: tuple[int, ...] = ()

    @classmethod
    def of_file(cls, file: BinaryIO, sums: tuple[int, ...] = ()) -> Source:
        """All of an open file."""
        size = os.fstat(file.fileno()).st_size
        return cls(size, file=file, sums=sums if len(sums) == -(-size // FRAME_BYTES) else ())

    def read(self, offset: int, count: int) -> bytes | memoryview:
        """A piece of at most `count` bytes."""
        if self.memory is not None:
            return self.memory[offset : offset + count]
        assert self.file is not None
        if count < SMALL:
            self.file.seek(offset)
            return self.file.read(count)
        begin = offset - offset % mmap.ALLOCATIONGRANULARITY
        mapped = mmap.mmap(self.file.fileno(), offset - begin + count, access=mmap.ACCESS_READ, offset=begin)
        return memoryview(mapped)[offset - begin :]

    def sum_of(self, offset: int, count: int) -> int | None:
        """The checksum of a piece that is one whole block, else None."""
        block, inside = divmod(offset, FRAME_BYTES)
        whole = inside == 0 and (count == FRAME_BYTES or offset + count == self.size)
        return self.sums[block] if self.sums and whole else None

    def close(self) -> None:
        """Free the file. Pieces that are still on their way stay mapped."""
        if self.file is not None:
            self.file.close()


@dataclass
class _Stream:
    name: int
    hash: bytes
    source: Source
    offset: int
    credit: int
    codec: str
    piece: int
    useless: int = 0
    ready: tuple[Chunk, int] | None = None  # made, and not taken by libzmq yet

    def next_piece(self) -> tuple[Chunk, int] | None:
        """What the credit allows, up to the end of a block, and how many bytes of the blob that is."""
        if self.ready is None:
            self.ready = self._make_piece()
        return self.ready

    def went(self, count: int) -> None:
        """The piece is on its way."""
        self.offset += count
        self.credit -= count
        self.ready = None

    def _make_piece(self) -> tuple[Chunk, int] | None:
        block = FRAME_BYTES - self.offset % FRAME_BYTES
        count = min(block, self.piece, self.credit, self.source.size - self.offset)
        if count <= 0:
            return None
        data = self.source.read(self.offset, count)
        if not len(data):
            return None
        crc = self.source.sum_of(self.offset, len(data))
        packed = self._compressed(data)
        if packed is None:
            return Chunk(self.name, self.hash, self.offset, self.source.size, (data,), crc), len(data)
        raw = len(data)
        return Chunk(self.name, self.hash, self.offset, self.source.size, (packed,), crc, self.codec, raw), raw

    def _compressed(self, data: bytes | memoryview) -> bytes | None:
        if self.codec == "raw" or self.useless >= GIVE_UP:
            return None
        packed = compress.compress(self.codec, data)
        self.useless = self.useless + 1 if packed is None else 0
        return packed


class Streams:
    """The open streams of one session."""

    def __init__(self) -> None:
        self._open: dict[int, _Stream] = {}

    @property
    def ready(self) -> bool:
        """Whether one of them could send now."""
        return any(one.credit > 0 for one in self._open.values())

    def begin(self, message: BlobGet, find: Callable[[bytes], Source]) -> None:
        """Open the stream that is asked for. Raises QuotaExceeded, BadRequest, and what `find` raises."""
        if len(self._open) >= MAX_STREAMS and message.stream not in self._open:
            raise QuotaExceeded(f"At most {MAX_STREAMS} streams may be open at once.")
        source = find(message.hash)
        if message.offset > source.size:
            source.close()
            raise BadRequest(f"Offset {message.offset} is beyond the {source.size} bytes of the blob.", path="offset")
        self.end(message.stream)
        codec = message.codec if compress.available() else "raw"
        self._open[message.stream] = _Stream(
            message.stream, message.hash, source, message.offset, min(message.credit, WINDOW), codec,
            message.piece,
        )

    def credit(self, message: Credit) -> None:
        """More credit for a stream; none at all ends it."""
        stream = self._open.get(message.stream)
        if stream is not None and message.bytes:
            stream.credit = min(stream.credit + message.bytes, WINDOW)
            stream.piece = message.piece or stream.piece
        else:
            self.end(message.stream)

    def end(self, name: int) -> None:
        """Close one stream, if it is open."""
        stream = self._open.pop(name, None)
        if stream is not None:
            stream.source.close()

    def end_all(self) -> None:
        """Close all of them."""
        for name in list(self._open):
            self.end(name)

    def pump(self, send: Callable[[Chunk], bool]) -> bool:
        """Send what the credit allows, one frame of each stream in turn. Gives whether anything went out."""
        moved = False
        for _ in range(CHUNKS_A_TURN):
            sent = False
            for stream in list(self._open.values()):
                piece = stream.next_piece()
                if piece is not None:
                    chunk, count = piece
                    if not send(chunk):
                        continue
                    stream.went(count)
                    sent = moved = True
                if stream.offset >= stream.source.size:
                    self.end(stream.name)
            if not sent:
                break
        return moved
