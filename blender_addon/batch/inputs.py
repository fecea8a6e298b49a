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
from ..capture import pictures

named = wire.load("batch.inputs")


class Inputs:
    """Inputs of a batch that began with the file that is open now. Keeps what completes each row's result."""

    def __init__(self) -> None:
        self._file = bpy.data.filepath
        self._kept: dict[str, dict[str, np.ndarray]] = {}

    def of(self, row: Any) -> Mapping[str, np.ndarray]:
        """Raises BadRequest for an object or a file that is not there, or is not what the kind takes."""
        files = dict(row.inputs)
        name = files.pop(named.OBJECT, None)
        arrays = dict(self._of_object(row.spec, name)) if name is not None else {}
        for one, path in files.items():
            arrays[one] = of_file(one, Path(path))
        arrays = identities.with_words(identities.mine(), row.spec, arrays)
        self._kept[row.id] = {one: arrays[one] for one in kinds.GEOMETRY if one in arrays}
        return arrays

    def _of_object(self, spec: Any, name: str) -> Mapping[str, np.ndarray]:
        if self._file and (bpy.data.filepath != self._file or name not in bpy.data.objects):
            bpy.ops.wm.open_mainfile(filepath=self._file, load_ui=False)
        if name not in bpy.data.objects:
            raise wire.errors.BadRequest(f"The open .blend has no object called {name}.", path="inputs.object",
                                         hint="Start the batch with the file: blender --background FILE ...")
        kind, properties = kinds.find(spec.kind), bpy.context.scene.maquette
        options = kind.options(bpy.context, properties, name, spec)
        return kind.inputs(bpy.context, properties, name, spec, options)

    def completed(self, row: Any, result: Any) -> Any:
        """A result with the mesh that it lies on, where its kind brings none."""
        return kinds.completed(row.spec.kind, result, self._kept.pop(row.id, {}))


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
