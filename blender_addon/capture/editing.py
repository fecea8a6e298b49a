# SPDX-License-Identifier: GPL-3.0-or-later
"""A selected object and a changed sentence -> an edit job: the mesh, and the texture that it wears."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import wire
from . import appearance, meshes, pictures
from .text import shared


def spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.EditSpec` for the active mesh. Raises BadRequest naming the field."""
    meshes.target(context, properties)
    return wire.specs.EditSpec(
        **shared(properties, seed),
        reshape=round(properties.reshape, 6),
        strength=round(properties.strength, 6),
        texture_size=int(properties.texture_size),
        name=properties.object_name.strip(),
    )


def options(context: Any, properties: Any, target: str, spec: Any) -> dict[str, Any]:
    """hide_original: whether the result takes the original's place, which is then hidden."""
    return {"hide_original": bool(properties.hide_original)}


def inputs(context: Any, properties: Any, target: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """vertices and faces; uvs and base_colour where the whole mesh wears one texture, which the edit begins with."""
    with meshes.at_rest(target) as item:
        worn = appearance.one_texture(item)
        arrays = meshes.triangles(item.data, worn.uv_map if worn is not None else "")
    if worn is not None and "uvs" in arrays:  # several materials: the edit begins with the shape alone
        arrays["base_colour"] = pictures.as_input(worn.file())
    return arrays
