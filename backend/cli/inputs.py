# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the shell -> arrays that go in with a job; see `protocol.batch.inputs` for their names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backend.geometry.files import png_bytes, read_mesh
from protocol.batch.inputs import BUNDLES, OBJECT, SKELETON
from protocol.errors import BadRequest
from protocol.specs import KINDS


def load_inputs(kind: str, files: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The arrays that jobs of this kind take, out of files. Raises BadRequest naming the input."""
    rules = {one.name: one for one in KINDS[kind].INPUTS}
    arrays: dict[str, np.ndarray] = {}
    for name, file in files.items():
        path = Path(file)
        if name == OBJECT:
            raise BadRequest("There is no Blender with an open file here, so no object can go in.",
                             path="inputs.object", hint="Give `mesh: FILE`, or run the batch inside Blender.")
        if name == "mesh":
            found = _of_mesh(path)
        elif name in BUNDLES:
            found = _of_archive(path, name)
        else:
            found = {name: _of_file(path, name, rules[name].shape)}
        arrays |= {key: array for key, array in found.items() if key in rules}
    return arrays


STAGE = ("vertices", "faces", "uvs", "base_colour", "picture", "selected", *SKELETON)
"""What a result may lie on."""


def load_stage(kind: str, files: Mapping[str, str]) -> tuple[dict[str, np.ndarray], str]:
    """(arrays of what was worked on, whole: of a mesh also the texture that a kind has no use for; its name)."""
    arrays = load_inputs(kind, files)
    if "mesh" in files:
        arrays = {**arrays, **_of_mesh(Path(files["mesh"]))}
    name = next((Path(files[one]).stem for one in ("mesh", "picture", "skeleton") if one in files), "")
    return {one: array for one, array in arrays.items() if one in STAGE}, name


def _of_mesh(path: Path) -> dict[str, np.ndarray]:
    mesh, picture = read_mesh(path)
    found: dict[str, np.ndarray] = {"vertices": mesh.vertices, "faces": mesh.faces}
    if mesh.uvs is not None:
        found["uvs"] = mesh.uvs
        if picture is not None:
            found["base_colour"] = np.frombuffer(png_bytes(picture), np.uint8)
    return found


def _of_archive(path: Path, name: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {one: stored[one] for one in stored.files}
    except (OSError, ValueError) as problem:
        raise BadRequest(f"{path.name} cannot be read as arrays: {problem}.", path=f"inputs.{name}",
                         hint="It should be the arrays.npz beside a rigged result.") from problem


def _of_file(path: Path, name: str, shape: tuple[Any, ...]) -> np.ndarray:
    """The file as it is where bytes are wanted, else a .npy array."""
    try:
        if path.suffix == ".npy":
            return np.ascontiguousarray(np.load(path, allow_pickle=False))
        if len(shape) == 1:
            return np.frombuffer(path.read_bytes(), np.uint8)
    except (OSError, ValueError) as problem:
        raise BadRequest(f"{path.name} cannot be read: {problem}.", path=f"inputs.{name}") from problem
    raise BadRequest(f"{name} is an array, and {path.name} is not a .npy file.", path=f"inputs.{name}")
