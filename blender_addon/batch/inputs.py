# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of a manifest names -> the arrays of its job: objects of the .blend that was open, and files.

Writing results replaces the open file, so it is opened again whenever a row wants one of its objects. Of an object goes
in what the panel would send: for kinds that work on a piece, the faces that are selected in the saved file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .. import identities, kinds, wire
from ..capture import pictures, skeleton
from . import staging

named = wire.load("batch.inputs")


class Inputs:
    """Inputs of a batch that began with the file that is open now. Keeps what brings each row's result back."""

    def __init__(self) -> None:
        self._file = bpy.data.filepath
        self._kept: dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]] = {}

    def of(self, row: Any) -> Mapping[str, np.ndarray]:
        """Raises BadRequest for an object or a file that is not there, or is not what the kind takes."""
        files = dict(row.inputs)
        name = files.pop(named.OBJECT, None)
        arrays, facts = self._of_object(row.spec, name) if name is not None else ({}, {})
        for one, path in files.items():
            arrays[one] = of_file(one, Path(path))
        self._kept[row.id] = dict(arrays), facts
        return identities.with_words(identities.mine(), row.spec, arrays)

    def _of_object(self, spec: Any, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        if self._file and (bpy.data.filepath != self._file or name not in bpy.data.objects):
            bpy.ops.wm.open_mainfile(filepath=self._file, load_ui=False)
        if name not in bpy.data.objects:
            raise wire.errors.BadRequest(f"The open .blend has no object called {name}.", path="inputs.object",
                                         hint="Start the batch with the file: blender --background FILE ...")
        kind, properties = kinds.find(spec.kind), bpy.context.scene.maquette
        options = kind.options(bpy.context, properties, name, spec)
        arrays = dict(kind.inputs(bpy.context, properties, name, spec, options))
        item = bpy.data.objects[name]
        facts = {
            "target": name, "options": kinds.noted(spec.kind, arrays, options), "file": self._file,
            "company": staging.company(item), "matrix": [value for row in item.matrix_world for value in row],
            "unit": skeleton.metres(bpy.context.scene),
        }
        return arrays, facts

    def kept(self, row: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(what went in, facts) of a row, see `protocol.batch.shelf.subject`; the arrays of an object of a saved file
        are left out, because it is there."""
        arrays, facts = self._kept.pop(row.id, ({}, {}))
        return ({} if facts.get("file") else arrays), facts

    def completed(self, row: Any, result: Any) -> Any:
        """A result with the mesh that it lies on, where its kind brings none."""
        return kinds.completed(row.spec.kind, result, self._kept.get(row.id, ({}, {}))[0])


def of_file(name: str, path: Path) -> np.ndarray:
    """A .npy array, or the bytes of any other file. Raises BadRequest."""
    if name in named.BUNDLES:
        raise wire.errors.BadRequest(f"Inside Blender {name} files are not read.", path=f"inputs.{name}",
                                     hint="Name an object of the .blend, or run `maquette batch` in a shell.")
    try:
        if path.suffix == ".npy":
            return np.ascontiguousarray(np.load(path, allow_pickle=False))
        return pictures.as_input(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise wire.errors.BadRequest(f"{path.name} cannot be read: {problem}.", path=f"inputs.{name}") from problem
