# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of a blob's blocks, so that a client can verify what it gets piece by piece and at a tenth of the cost.

CRC-32 of each 1 MiB, worked out from the same bytes as the SHA-256 when the blob is stored, and kept in a small file
beside. A file that is missing or damaged only means that clients work out the SHA-256 themselves.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from protocol.arrays import FRAME_BYTES, Buffer


class BlockSums:
    """Takes bytes in any pieces and keeps the sum of each full block, and of the rest."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._sum = 0
        self._room = FRAME_BYTES

    def update(self, data: Buffer) -> None:
        """The next bytes."""
        view = memoryview(data)
        while len(view):
            part, view = view[: self._room], view[self._room :]
            self._sum = zlib.crc32(part, self._sum)
            self._room -= len(part)
            if self._room == 0:
                self._done.append(self._sum)
                self._sum, self._room = 0, FRAME_BYTES

    @property
    def all(self) -> tuple[int, ...]:
        """The sums so far, that of an unfinished block included."""
        return tuple(self._done) if self._room == FRAME_BYTES else (*self._done, self._sum)


def write_sums(path: Path, sums: BlockSums) -> None:
    """Keep the sums. Nothing is synced: a file that did not survive is seen as damaged, and done without."""
    body = struct.pack(f"<{len(sums.all)}I", *sums.all)
    path.write_bytes(body + struct.pack("<I", zlib.crc32(body)))


def read_sums(path: Path) -> tuple[int, ...]:
    """The sums of a file, or none."""
    try:
        data = path.read_bytes()
    except OSError:
        return ()
    body, check = data[:-4], data[-4:]
    if len(data) % 4 or len(check) < 4 or struct.unpack("<I", check)[0] != zlib.crc32(body):
        return ()
    return struct.unpack(f"<{len(body) // 4}I", body)
