# SPDX-License-Identifier: GPL-3.0-or-later
"""Many jobs from one manifest inside Blender, and .blend files out of finished results.

    blender --background --command maquette batch FILE              Blender 4.2 and later
    blender --background --python-expr "import maquette; maquette.batch_file('FILE')"     legacy add-on

`command` is what both run; `assemble` also serves the shell's `maquette batch`, as a process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy

_registered: Any = None


def _command(arguments: Sequence[str]) -> int:
    from . import command

    return command.main(arguments)


def register() -> None:
    """Make `blender --background --command maquette ...` known, where this Blender has such commands (4.2)."""
    global _registered
    if hasattr(bpy.utils, "register_cli_command"):
        _registered = bpy.utils.register_cli_command("maquette", _command)


def unregister() -> None:
    global _registered
    if _registered is not None:
        bpy.utils.unregister_cli_command(_registered)
        _registered = None
