# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished texture -> the object it was made for, in one undo step, beside what the artist has.

The texture comes in a material of its own, in a new slot; new coordinates come as a new UV map. Existing UV maps,
materials and their slots stay, and which face had which slot is kept in an attribute. Where the mesh was changed
meanwhile, or its faces were cut in a way that it cannot hold, the painted mesh stands beside it as a new object.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bpy
import numpy as np

from .. import compat, wire
from ..capture import meshes
from . import adopting, placement
from . import material as materials
from .image import image_from_png, png_size
from .mesh import BrokenMesh, MeshArrays
from .result import Delivery, build, remember

UV_NAME = "Maquette"
MAPS = ("roughness", "metallic")
"""Arrays of a result that say what its surface is like, PNGs on its UVs."""
SAME = 1e-6
"""UVs that differ by no more than this are the same."""


def deliver(delivery: Delivery) -> str:
    """Paint the object called `delivery.target`; returns its name, or that of the new object beside it.

    The result's arrays may lack the mesh, which is then that of the object, if it is still the one that went in.
    Raises BrokenMesh, BrokenImage or BadRequest, and leaves the scene as it was.
    """
    png = texture_of(delivery)
    item = paintable(delivery.target)
    geometry = geometry_of(delivery, item)
    if geometry.uvs is None:
        raise BrokenMesh("the result has no UVs")
    layer = _uv_layer(item.data, geometry) if item is not None else None
    if item is None or layer is None:
        return beside(delivery, geometry)
    name = delivery.name or item.name
    for kind in MAPS:
        if kind in delivery.arrays:
            png_size(delivery.arrays[kind].tobytes())
    surface = materials.textured(
        f"{name} painted", f"Maquette: {delivery.prompt}"[:60],
        image_from_png(f"{name} painted", png, external=delivery.external_images), *materials.values(delivery.report),
        uv_name=layer,
    )
    materials.with_maps(surface, maps_of(delivery, name), layer)
    materials.show_in_solid(surface, delivery.arrays.get("thumbnail"))
    adopting.give(item, surface)
    remember(item, delivery)
    compat.undo_push(f"Maquette: {name} painted")
    return str(item.name)


def texture_of(delivery: Delivery) -> np.ndarray:
    """The result's base colour, a PNG. Raises BrokenMesh, BrokenImage."""
    png = delivery.arrays.get("base_colour")
    if png is None:
        raise BrokenMesh("the result has no texture")
    png_size(png.tobytes())
    return png


def maps_of(delivery: Delivery, name: str) -> dict[str, Any]:
    """Images of the result's roughness and metallic, where it has them."""
    return {kind: image_from_png(f"{name} {kind}", delivery.arrays[kind], "Non-Color", delivery.external_images)
            for kind in MAPS if kind in delivery.arrays}


def paintable(name: str) -> Any | None:
    """The mesh object of this name; None where it is gone, linked, or being edited."""
    item = bpy.data.objects.get(name)
    fits = item is not None and item.type == "MESH" and item.data.library is None and item.mode == "OBJECT"
    return item if fits else None


def geometry_of(delivery: Delivery, item: Any | None) -> MeshArrays:
    """The mesh that was painted, with the coordinates that its texture lies on. Raises BrokenMesh, BadRequest."""
    arrays = dict(delivery.arrays)
    if "vertices" not in arrays:
        now = meshes.triangles(item.data, str(delivery.options.get("uv_map", ""))) if item is not None else {}
        if not now or meshes.fingerprint(now["faces"]) != delivery.options.get("mesh"):
            raise wire.errors.BadRequest(
                f"{delivery.target} is another mesh by now, and the texture does not fit it.",
                hint="Undo what was changed and bring the result in from the history.",
            )
        arrays = {**now, **arrays}
    return MeshArrays.from_result(arrays)


def _uv_layer(mesh: Any, geometry: MeshArrays) -> str | None:
    """Name of the mesh's UV map that holds the result's coordinates, a new one where needed; None when the mesh is
    another one by now, or cannot hold them."""
    now = meshes.triangles(mesh)
    if not np.array_equal(now["faces"], geometry.faces) or now["vertices"].shape != geometry.vertices.shape:
        return None
    if "uvs" in now and np.abs(now["uvs"] - geometry.uvs).max() <= SAME:
        return str(mesh.uv_layers.active.name)
    corners = meshes.corner_loops(mesh)
    uvs = np.zeros((len(mesh.loops), 2), np.float32)
    uvs[corners] = geometry.uvs
    if np.abs(uvs[corners] - geometry.uvs).max() > SAME:  # a chart ends inside a polygon
        return None
    active = mesh.uv_layers.active_index
    name = compat.write_uvs(mesh, UV_NAME, uvs)
    mesh.uv_layers.active_index = max(active, 0)  # the artist's own stays the one that is edited
    return name


def beside(delivery: Delivery, geometry: MeshArrays) -> str:
    """The painted mesh as an object of its own, where the other one stands."""
    arrays = {name: getattr(geometry, name) for name in ("vertices", "faces", "uvs", "edges", "corner_edges")}
    whole = {**{name: one for name, one in arrays.items() if one is not None}, **delivery.arrays}
    made = build(replace(delivery, arrays=whole), f"{delivery.name or delivery.prompt[:40]} painted", in_metres=False)
    stand_beside(delivery, made)
    compat.undo_push(f"Maquette: {made.name}")
    return str(made.name)


def stand_beside(delivery: Delivery, made: Any) -> None:
    """File a new object where the one that was worked on is filed and stands."""
    item = bpy.data.objects.get(delivery.target)
    if item is not None and item.users_collection:
        for collection in item.users_collection:
            collection.objects.link(made)
        made.matrix_world = item.matrix_world
    else:
        placement.link(delivery.place, made)
