# SPDX-License-Identifier: GPL-3.0-or-later
"""Which .blend file is open, so that a result never lands in another one.

Each file gets a random mark. It is kept in memory while the file is open (an undo must not lose it) and written into
the scenes when the file is saved, so that the same file is known again after a restart, under whatever name.
"""

from __future__ import annotations

import os
from typing import Any

import bpy

PROPERTY = "maquette_file"
"""Custom property of the scenes of a saved file."""

_mark = ""
_path = ""


def current() -> str:
    """Mark of the open file, 32 hex digits."""
    if not _mark:
        _look()
    return _mark


def _look() -> None:
    """A file was opened, or the add-on was: take its mark, or give it one. The same file read again keeps its own."""
    global _mark, _path
    found = next((str(one[PROPERTY]) for one in bpy.data.scenes if PROPERTY in one), "")
    if not bpy.data.filepath:
        found = ""  # the startup file: every new file begins as it
    same = bool(_mark) and bool(bpy.data.filepath) and bpy.data.filepath == _path
    _mark = found or (_mark if same else os.urandom(16).hex())
    _path = bpy.data.filepath


@bpy.app.handlers.persistent
def _after_load(*_: Any) -> None:
    _look()


@bpy.app.handlers.persistent
def _before_save(*_: Any) -> None:
    for scene in bpy.data.scenes:
        if scene.library is None:
            scene[PROPERTY] = current()


@bpy.app.handlers.persistent
def _after_save(*_: Any) -> None:
    global _path
    _path = bpy.data.filepath


_HANDLERS = (("load_post", _after_load), ("save_pre", _before_save), ("save_post", _after_save))


def register() -> None:
    for name, function in _HANDLERS:
        getattr(bpy.app.handlers, name).append(function)


def unregister() -> None:
    global _mark, _path
    for name, function in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if function in handlers:
            handlers.remove(function)
    _mark = _path = ""
