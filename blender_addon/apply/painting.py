# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished texture -> the object it was made for, in one undo step, beside what the artist has.

The texture comes in a material of its own, in a new slot; new coordinates come as a new UV map. Existing UV maps,
materials and their slots stay, and which face had which slot is kept in an attribute. Where the mesh was changed
meanwhile, or its faces were cut in a way that it cannot hold, the painted mesh stands beside it as a new object.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .. import compat
from ..capture import painting
from . import material as materials
from . import placement
from .image import image_from_png, png_size
from .mesh import BrokenMesh, MeshArrays
from .result import Delivery, build, remember

UV_NAME = "Maquette"
BEFORE = "maquette_slot_before"
"""Integer attribute of the faces: the material slot that each had before it was painted."""
SAME = 1e-6
"""UVs that differ by no more than this are the same."""


def deliver(delivery: Delivery) -> str:
    """Paint the object called `delivery.target`; returns its name, or that of the new object beside it.

    Raises BrokenMesh or BrokenImage and leaves the scene as it was.
    """
    png = delivery.arrays.get("base_colour")
    if png is None:
        raise BrokenMesh("the result has no texture")
    png_size(png.tobytes())
    geometry = MeshArrays.from_result(delivery.arrays)
    if geometry.uvs is None:
        raise BrokenMesh("the result has no UVs")
    item = bpy.data.objects.get(delivery.target)
    fits = item is not None and item.type == "MESH" and item.data.library is None and item.mode == "OBJECT"
    layer = _uv_layer(item.data, geometry) if item is not None and fits else None
    if item is None or layer is None:
        return _beside(delivery, item)
    name = delivery.name or item.name
    surface = materials.textured(
        f"{name} painted", f"Maquette: {delivery.prompt}"[:60],
        image_from_png(f"{name} painted", png, external=delivery.external_images), *materials.values(delivery.report),
        uv_name=layer,
    )
    _new_slot(item, surface)
    remember(item, delivery)
    compat.undo_push(f"Maquette: {name} painted")
    return str(item.name)


def _uv_layer(mesh: Any, geometry: MeshArrays) -> str | None:
    """Name of the mesh's UV map that holds the result's coordinates, a new one where needed; None when the mesh is
    another one by now, or cannot hold them."""
    now = painting.triangles(mesh)
    if not np.array_equal(now["faces"], geometry.faces) or now["vertices"].shape != geometry.vertices.shape:
        return None
    if "uvs" in now and np.abs(now["uvs"] - geometry.uvs).max() <= SAME:
        return str(mesh.uv_layers.active.name)
    corners = painting.corner_loops(mesh)
    uvs = np.zeros((len(mesh.loops), 2), np.float32)
    uvs[corners] = geometry.uvs
    if np.abs(uvs[corners] - geometry.uvs).max() > SAME:  # a chart ends inside a polygon
        return None
    active = mesh.uv_layers.active_index
    name = compat.write_uvs(mesh, UV_NAME, uvs)
    mesh.uv_layers.active_index = max(active, 0)  # the artist's own stays the one that is edited
    return name


def _new_slot(item: Any, surface: Any) -> None:
    mesh = item.data
    before = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", before)
    if BEFORE not in mesh.attributes and len(mesh.materials):
        mesh.attributes.new(BEFORE, "INT", "FACE").data.foreach_set("value", before)
    mesh.materials.append(surface)
    mesh.polygons.foreach_set("material_index", np.full(len(before), len(mesh.materials) - 1, np.int32))
    item.active_material_index = len(mesh.materials) - 1
    mesh.update()


def _beside(delivery: Delivery, item: Any | None) -> str:
    """The painted mesh as an object of its own, where the other one stands."""
    made = build(delivery, f"{delivery.name or delivery.prompt[:40]} painted", in_metres=False)
    if item is not None and item.users_collection:
        for collection in item.users_collection:
            collection.objects.link(made)
        made.matrix_world = item.matrix_world
    else:
        placement.link(delivery.place, made)
    compat.undo_push(f"Maquette: {made.name}")
    return str(made.name)
