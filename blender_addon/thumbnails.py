# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of jobs as icons that a panel can draw.

Blender loads them from their files when they are first drawn, and again when a job has sent a newer one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy.utils.previews

_pictures: Any = None
_stamps: dict[str, int] = {}


def icon(job: str, path: Path) -> int:
    """Icon number of the picture at `path`, 0 while there is none."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return 0
    if _pictures is None:
        return 0
    found = _pictures.get(job)
    if found is None:
        found = _pictures.load(job, str(path), "IMAGE")
    elif _stamps.get(job) != stamp:
        found.reload()
    _stamps[job] = stamp
    return int(found.icon_id)


def register() -> None:
    global _pictures
    _pictures = bpy.utils.previews.new()


def unregister() -> None:
    global _pictures
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
        _pictures = None
    _stamps.clear()
