# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairing string in a file that only its owner can read.

Blender's preferences file is no place for a secret: it is readable by all and gets copied between machines. The
preference `Pairing String` reads and writes this file instead of holding the line itself.
"""

from __future__ import annotations

from pathlib import Path

from . import __package__ as base_package
from . import compat, wire

FILE_NAME = "pairing.txt"

_read: tuple[Path, int, str] | None = None


def path() -> Path:
    """Where the line is kept."""
    return compat.user_folder(base_package, "keys") / FILE_NAME


def text() -> str:
    """The line that is kept; empty when there is none. Cheap: the file is read again only when it has changed."""
    global _read
    file = path()
    try:
        stamp = file.stat().st_mtime_ns
        if _read is None or _read[:2] != (file, stamp):
            _read = (file, stamp, file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return ""
    return _read[2]


def keep(line: str) -> None:
    """Keep this line, or none when it is empty. What it says is checked when it is used."""
    global _read
    _read = None
    if line.strip():
        wire.keys.write_private(path(), line.strip())
    else:
        path().unlink(missing_ok=True)
