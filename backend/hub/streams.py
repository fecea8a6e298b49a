# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes on their way to one client: read from a blob or from memory, sent only against the credit it gave."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from protocol.arrays import FRAME_BYTES
from protocol.errors import BadRequest, QuotaExceeded
from protocol.messages import BlobGet, Chunk, Credit

MAX_STREAMS = 8  # open at once in one session (protocol reference, section 15)
WINDOW = 4 << 20  # credit that a client may give at once, section 6
CHUNKS_A_TURN = 16  # so that control messages never wait behind bulk


@dataclass
class Source:
    """Where a stream's bytes come from: a file, or memory."""

    size: int
    file: BinaryIO | None = None
    memory: memoryview | None = None

    @classmethod
    def of_file(cls, file: BinaryIO) -> Source:
        """All of an open file."""
        return cls(os.fstat(file.fileno()).st_size, file=file)

    def read(self, offset: int, count: int) -> bytes | memoryview:
        """A piece of at most `count` bytes."""
        if self.memory is not None:
            return self.memory[offset : offset + count]
        assert self.file is not None
        self.file.seek(offset)
        return self.file.read(count)

    def close(self) -> None:
        """Free the file."""
        if self.file is not None:
            self.file.close()


@dataclass
class _Stream:
    hash: bytes
    source: Source
    offset: int
    credit: int


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
        self._open[message.stream] = _Stream(message.hash, source, message.offset, min(message.credit, WINDOW))

    def credit(self, message: Credit) -> None:
        """More credit for a stream; none at all ends it."""
        stream = self._open.get(message.stream)
        if stream is not None and message.bytes:
            stream.credit = min(stream.credit + message.bytes, WINDOW)
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
            for name, stream in list(self._open.items()):
                count = min(FRAME_BYTES, stream.credit, stream.source.size - stream.offset)
                if count > 0:
                    data = stream.source.read(stream.offset, count)
                    chunk = Chunk(name, stream.hash, stream.offset, stream.source.size, (data,))
                    if not data or not send(chunk):
                        continue
                    stream.offset += len(data)
                    stream.credit -= len(data)
                    sent = moved = True
                if stream.offset >= stream.source.size:
                    self.end(name)
            if not sent:
                break
        return moved
