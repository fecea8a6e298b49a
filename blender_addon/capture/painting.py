# SPDX-License-Identifier: GPL-3.0-or-later
"""A selected object and the panel's settings -> a texture job: spec, mesh, UVs, cameras.

The mesh goes as it is before modifiers, cut into triangles on a copy; the object itself is not touched.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from .. import compat, wire
from . import cameras
from .text import line, prompt_of


def target(context: Any, properties: Any) -> str:
    """Name of the active object; raises BadRequest when it cannot be painted."""
    item = context.view_layer.objects.active
    if item is None or not item.select_get() or item.type != "MESH":
        raise wire.errors.BadRequest("Select the mesh that is to be painted", path="target")
    if len(item.data.polygons) == 0:
        raise wire.errors.BadRequest(f"{item.name} has no faces", path="target")
    if item.library is not None or item.data.library is not None:
        raise wire.errors.BadRequest(f"{item.name} is linked from another file; make it local first", path="target")
    return str(item.name)


def spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.TextureSpec` out of `scene.maquette`. Raises BadRequest naming the field."""
    given = properties.rig in ("SCENE", "COLLECTION")
    if given:
        cameras.rig(context, properties)  # raises when there are none
    item = bpy.data.objects.get(target(context, properties))
    return wire.specs.TextureSpec(
        prompt=prompt_of(properties),
        negative_prompt=line(properties.negative_prompt),
        preset=properties.preset,
        prior=properties.prior.strip(),
        seed=properties.seed if seed is None else seed,
        rig="cameras" if given else "turntable" if properties.rig == "TURNTABLE" else "coverage",
        views=properties.rig_count if properties.rig == "TURNTABLE" else 0,
        uvs=properties.uvs.lower(),
        texture_size=int(properties.texture_size),
        effort=round(properties.effort, 6),
        name=item.name if item is not None else "",
    )


def inputs(context: Any, properties: Any, name: str, spec: Any) -> dict[str, np.ndarray]:
    """The arrays that go in: vertices (V, 3) float32, faces (F, 3) int32, uvs (3F, 2) float32 of the active UV map
    where there is one, and where the spec's rig is `cameras` those that the panel names, with their fields of view, all
    in the object's frame.

    Raises BadRequest when the object is gone, or when the panel names no cameras.
    """
    item = bpy.data.objects.get(name)
    if item is None or item.type != "MESH":
        raise wire.errors.BadRequest(f"There is no mesh called {name} any more.", path="target")
    if item.mode == "EDIT":
        item.update_from_editmode()
    arrays = triangles(item.data)
    if spec.rig == "cameras":
        views = [seen_from(item, view) for view in cameras.rig(context, properties)]
        if not views:
            raise wire.errors.BadRequest("The panel names no cameras.", path="rig", hint="Choose some under Cameras.")
        arrays |= cameras.arrays(views)
    return arrays


def triangles(mesh: Any) -> dict[str, np.ndarray]:
    """Vertices, triangles and, of the active UV map, a corner's coordinates each."""
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    faces = np.empty(count * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    vertices = compat.read_positions(mesh)
    arrays = {"vertices": vertices, "faces": faces.reshape(-1, 3)}
    layer = mesh.uv_layers.active
    if layer is not None:
        corners = corner_loops(mesh)
        arrays["uvs"] = np.ascontiguousarray(compat.read_uvs(mesh, layer)[corners])
    return arrays


def corner_loops(mesh: Any) -> np.ndarray:
    """(3F,) int32: which corner of the mesh each corner of a triangle is."""
    corners = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("loops", corners)
    return corners


def seen_from(item: Any, view: cameras.View) -> cameras.View:
    """A camera in an object's own frame; the object's scale moves it nearer or farther."""
    rows = [view.matrix[at : at + 4] for at in range(0, 16, 4)]
    location, rotation, _scale = (item.matrix_world.inverted() @ Matrix(rows)).decompose()
    local = Matrix.LocRotScale(location, rotation, None)
    return cameras.View(tuple(value for row in local for value in row), view.fov, view.aspect, view.name)
