# SPDX-License-Identifier: GPL-3.0-or-later
"""A selected object and the panel's settings -> a texture job: spec, mesh, UVs, cameras."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .. import wire
from . import cameras, meshes
from .text import shared

RIGS = {"NONE": "coverage", "TURNTABLE": "turntable", "SCENE": "cameras", "COLLECTION": "cameras"}


def spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.TextureSpec` out of `scene.maquette`. Raises BadRequest naming the field."""
    if RIGS[properties.rig] == "cameras":
        cameras.rig(context, properties)  # raises when there are none
    item = bpy.data.objects[meshes.target(context, properties)]
    return wire.specs.TextureSpec(
        **shared(properties, seed),
        rig=RIGS[properties.rig],
        views=properties.rig_count if properties.rig == "TURNTABLE" else 0,
        uvs=properties.uvs.lower(),
        texture_size=int(properties.texture_size),
        name=item.name,
    )


def inputs(context: Any, properties: Any, target: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays that go in: vertices (V, 3) float32, faces (F, 3) int32, uvs (3F, 2) float32 of the active UV map
    where there is one, and where the spec's rig is `cameras` those that the panel names, with their fields of view, all
    in the object's frame.

    Raises BadRequest when the object is gone, or when the panel names no cameras.
    """
    with meshes.at_rest(target) as item:
        arrays = meshes.triangles(item.data)
    if spec.rig == "cameras":
        arrays |= cameras.seen_by(bpy.data.objects[target], cameras.rig(context, properties))
    return arrays
