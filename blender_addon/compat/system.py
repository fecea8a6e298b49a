# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is here, and what it is busy with: the program or the module, folders, undo, hands."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import bpy


def is_module() -> bool:
    """Is this `import bpy` in an ordinary Python, not the Blender program? (4.2 has no `bpy.app.module`.)"""
    if hasattr(bpy.app, "module"):
        return bool(bpy.app.module)
    return bpy.app.background and not bpy.app.binary_path


def python_executable() -> str:
    """The Python that runs the add-on; empty inside the Blender program, whose Python holds no backend."""
    return sys.executable if is_module() else ""


def online_access() -> bool:
    """May the add-on talk to other machines? True before 4.2, which has no such preference."""
    return bool(getattr(bpy.app, "online_access", True))


def user_folder(package: str, name: str) -> Path:
    """A folder that survives upgrades of the add-on, made when missing.

    package: the add-on's top-level package; only an extension (`bl_ext....`) has a folder of its own.
    """
    if package.startswith("bl_ext.") and hasattr(bpy.utils, "extension_path_user"):
        return Path(bpy.utils.extension_path_user(package, path=name, create=True))
    base = bpy.utils.user_resource("DATAFILES", path="maquette") or os.path.join(tempfile.gettempdir(), "maquette")
    folder = Path(base) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def undo_push(message: str) -> bool:
    """Close one undo step; False where there is no undo (background, module), which is no error."""
    if bpy.app.background or not bpy.context.preferences.edit.use_global_undo:
        return False
    bpy.ops.ed.undo_push(message=message)
    return True


def session_id(item: Any) -> int | None:
    """A number that stays with a datablock when it is renamed, until the file is closed; None before 4.2."""
    return getattr(item, "session_uid", None)


def hands_full() -> bool:
    """Is something going on in a window that new data would disturb: an edit, sculpt or paint mode (their undo steps
    know nothing of other objects), something that is being dragged, a render?"""
    if bpy.app.background:
        return False
    if hasattr(bpy.app, "is_job_running") and bpy.app.is_job_running("RENDER"):
        return True
    for window in bpy.context.window_manager.windows:
        active = window.view_layer.objects.active
        if active is not None and active.mode not in ("OBJECT", "POSE"):
            return True
        for operator in getattr(window, "modal_operators", ()):  # 4.2
            if operator.bl_idname.startswith("TRANSFORM_OT_"):
                return True
    return False
