# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes in with a job beside its spec, named by files: `inputs: {mesh: chair.glb, mask: seat.png}`.

`mesh` (.glb, .obj, ...) and `skeleton` (the arrays.npz of a rigged result) bring several inputs at once; every other
name is an input of the kind itself, a picture or another file as it is, or a .npy array. `object` names one of the open
.blend instead, for batches that run inside Blender.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadRequest
from ..specs import KINDS

MESH = ("vertices", "faces", "uvs", "base_colour")
SKELETON = ("joint_heads", "joint_tails", "joint_rotations", "joint_parents", "joint_names")
BUNDLES = {"mesh": MESH, "skeleton": (*SKELETON, "weights", "weight_joints")}
OBJECT = "object"
"""Stands for all inputs: those of an object of the open .blend."""


def read(kind: str, given: Any) -> dict[str, str]:
    """What a row gives, checked. A cell of a table holds `name=file`, several with semicolons between them.

    Raises BadRequest naming the input.
    """
    if isinstance(given, str):
        parts = [one.partition("=") for one in given.split(";") if one.strip()]
        given = {name.strip(): value.strip() for name, _, value in parts}
    given = given or {}
    if not isinstance(given, Mapping) or not all(isinstance(one, str) and one for one in given.values()):
        raise BadRequest("inputs are names with files.", path="inputs", hint="For instance {mesh: chair.glb}.")
    known = {one.name: one for one in KINDS[kind].INPUTS}
    bundles = {name: parts for name, parts in BUNDLES.items() if any(one in known for one in parts)}
    for name in given:
        if name not in known and name not in bundles and not (name == OBJECT and known):
            takes = ", ".join([*bundles, *known]) or "nothing"
            raise BadRequest(f"Jobs of the kind {kind} take no input called {name}.", path=f"inputs.{name}",
                             hint=f"They take: {takes}.")
    covered = {one for name in given for one in bundles.get(name, (name,))}
    missing = [one.name for one in known.values() if one.required and one.name not in covered]
    if missing and OBJECT not in given:
        names = [name for name, parts in bundles.items() if any(one in parts for one in missing)] or missing
        raise BadRequest(f"Jobs of the kind {kind} need {' and '.join(missing)}.", path="inputs",
                         hint=f"In a manifest inputs: {{{', '.join(f'{name}: FILE' for name in names)}}}, in the shell "
                              f"{' '.join(f'--input {name}=FILE' for name in names)}.")
    return dict(given)


def located(given: Mapping[str, str], folder: Path) -> tuple[dict[str, str], str]:
    """(the same with whole paths, relative ones being relative to `folder`; a stamp of what the files hold). Raises
    BadRequest for a file that cannot be read."""
    found, stamp = {}, hashlib.sha256()
    for name, value in sorted(given.items()):
        found[name] = value
        if name == OBJECT:
            continue
        path = (folder / value).expanduser()
        try:
            stamp.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
        except OSError as problem:
            raise BadRequest(f"{value} cannot be read: {problem.strerror}.", path=f"inputs.{name}") from problem
        found[name] = str(path.resolve())
    return found, stamp.hexdigest()[:16]
