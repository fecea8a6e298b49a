# SPDX-License-Identifier: GPL-3.0-or-later
"""How a picture was made, written into the picture: a text chunk of its PNG file that Maquette reads back.

A picture of the history that is dropped on the viewport brings its prompt and settings back into the panel, also on
another machine. Other programs ignore the chunk. No bpy here.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEYWORD = b"maquette\0"
LIMIT = 65_536
"""Bytes of a note; a longer one is not written, and not read."""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def write(png: bytes, note: dict[str, Any]) -> bytes:
    """The same picture with a note in it; as it was when it is no PNG file or the note is too long."""
    text = json.dumps(note, ensure_ascii=True).encode("ascii")
    if not png.startswith(SIGNATURE) or len(png) < 33 or len(text) > LIMIT:
        return png
    return png[:33] + _chunk(b"tEXt", KEYWORD + text) + png[33:]  # after IHDR, which is always first


def read(png: bytes) -> dict[str, Any] | None:
    """The note of a picture; None when it has none that can be read. Never raises."""
    at = len(SIGNATURE)
    if not png.startswith(SIGNATURE):
        return None
    while at + 12 <= len(png):
        size, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        data = png[at + 8 : at + 8 + size]
        if kind == b"tEXt" and data.startswith(KEYWORD) and len(data) <= LIMIT + len(KEYWORD):
            try:
                note = json.loads(data[len(KEYWORD) :].decode("ascii"))
            except ValueError:
                return None
            return note if isinstance(note, dict) else None
        if kind == b"IDAT":
            return None  # notes stand before the pixels
        at += 12 + size
    return None
