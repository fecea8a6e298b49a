# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone maps by name: which bone of an armature plays which part, ready-made ones and those that an artist has saved.

Without a map the parts are guessed, which is right for most. An armature remembers the name of its map in a custom
property; saved maps lie in the user's folder as JSON, one file each, so that they can be handed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import __package__ as base_package
from . import compat, wire

PROPERTY = "maquette_bone_map"
"""Custom property of an armature object: the name of its map, empty for a guess."""
READY = ("mixamo", "rigify", "unreal", "blender")
FOLDER = "bone_maps"
LARGEST = 1 << 20  # bytes of a saved map


def names(store: Path | None = None) -> list[str]:
    """All maps there are: the ready-made ones, then the saved ones in alphabetical order."""
    folder = store or compat.user_folder(base_package, FOLDER)
    return [*READY, *sorted(one.stem for one in folder.glob("*.json"))]


def load(name: str, store: Path | None = None) -> dict[str, str]:
    """Role -> bone name. Raises BadRequest when there is no map of that name or it is damaged."""
    if name in READY:
        roles = list(wire.naming.HUMANOID)
        return dict(zip(roles, wire.naming.named(roles, name), strict=True))
    path = _path(name, store)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in found.items()):
            raise ValueError("it is no map of names")
    except FileNotFoundError as problem:
        raise wire.errors.BadRequest(f"There is no bone map called {name}.", path="bone_map",
                                     hint=f"There are {', '.join(names(store))}.") from problem
    except (OSError, ValueError) as problem:
        raise wire.errors.BadRequest(f"The bone map {name} cannot be read: {problem}.", path="bone_map",
                                     hint=f"Delete {path.name} or save the map again.") from problem
    return found


def save(name: str, bones: Mapping[str, str], store: Path | None = None) -> Path:
    """Keep a map role -> bone under a name. Raises BadRequest for a name or a role that cannot be."""
    if name in READY:
        raise wire.errors.BadRequest(f"{name} is a ready-made bone map; choose another name.", path="bone_map")
    unknown = [role for role in bones if role not in wire.naming.HUMANOID]
    if unknown:
        raise wire.errors.BadRequest(f"There is no part called {unknown[0]!r}.", path="bone_map",
                                     hint="Parts are called as the bones of Mixamo without the prefix: LeftForeArm.")
    path = _path(name, store)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(dict(bones), indent=1, sort_keys=True), encoding="utf-8")
    partial.replace(path)
    return path


def delete(name: str, store: Path | None = None) -> None:
    """Forget a saved map; one that is not there is no error."""
    _path(name, store).unlink(missing_ok=True)


def of(rig: Any, store: Path | None = None) -> dict[str, str] | None:
    """The map that an armature is set to, None for a guess. Raises BadRequest."""
    name = str(rig.get(PROPERTY, ""))
    return load(name, store) if name else None


def choose(rig: Any, name: str, store: Path | None = None) -> None:
    """Set an armature to a map, or with an empty name to a guess. Raises BadRequest when there is no such map."""
    if name:
        load(name, store)
        rig[PROPERTY] = name
    elif PROPERTY in rig:
        del rig[PROPERTY]


def guessed(rig: Any) -> dict[str, str]:
    """Role -> bone name as it would be guessed: what an artist begins with who wants to correct it."""
    bones = sorted(rig.data.bones, key=lambda bone: len(bone.parent_recursive))
    bone_names = [bone.name for bone in bones]
    parents = [bone_names.index(bone.parent.name) if bone.parent is not None else -1 for bone in bones]
    roles = wire.bonemap.guess(bone_names, parents)
    return {role: name for role, name in zip(roles, bone_names, strict=True) if role}


def _path(name: str, store: Path | None) -> Path:
    if not re.fullmatch(r"[\w][\w .()+-]{0,62}", name) or name.endswith((" ", ".")):
        raise wire.errors.BadRequest(f"{name!r} cannot be the name of a bone map.", path="bone_map",
                                     hint="Use letters, digits, spaces and - up to 63.")
    return (store or compat.user_folder(base_package, FOLDER)) / f"{name}.json"
