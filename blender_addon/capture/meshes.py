# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh that a job works on, as plain arrays, as it is before modifiers; the object itself is not touched."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from .. import compat, wire


def target(context: Any, properties: Any) -> str:
    """Name of the active object; raises BadRequest when no job can work on it."""
    item = context.view_layer.objects.active
    if item is None or not item.select_get() or item.type != "MESH":
        raise wire.errors.BadRequest("Select the mesh to work on", path="target")
    check(item)
    return str(item.name)


def check(item: Any) -> None:
    """Raises BadRequest when an object is no mesh that can be worked on."""
    if item.type != "MESH":
        raise wire.errors.BadRequest(f"{item.name} is no mesh", path="target")
    if len(item.data.polygons) == 0 and not (item.mode == "EDIT" and item.data.total_face_sel):
        raise wire.errors.BadRequest(f"{item.name} has no faces", path="target")
    if item.library is not None or item.data.library is not None:
        raise wire.errors.BadRequest(f"{item.name} is linked from another file; make it local first", path="target")


def find(name: str) -> Any:
    """The mesh object of this name, with what is being edited written back to its mesh: of vertices, faces and
    selections, while UVs and attributes need `at_rest`. Raises BadRequest."""
    item = bpy.data.objects.get(name)
    if item is None or item.type != "MESH":
        raise wire.errors.BadRequest(f"There is no mesh called {name} any more.", path="target")
    if item.mode == "EDIT":
        item.update_from_editmode()
    check(item)
    return item


@contextlib.contextmanager
def at_rest(name: str) -> Iterator[Any]:
    """The mesh object of this name; one that is being edited as a copy that is not, because Blender gives no UVs and no
    attributes of a mesh in Edit Mode. Raises BadRequest."""
    item = find(name)
    if item.mode != "EDIT":
        yield item
        return
    still = item.copy()
    still.data = item.data.copy()
    try:
        yield still
    finally:
        mesh = still.data
        bpy.data.objects.remove(still)
        bpy.data.meshes.remove(mesh)


def triangles(mesh: Any, uv_map: str = "") -> dict[str, np.ndarray]:
    """vertices (V, 3) float32, faces (F, 3) int32 and, where there is a UV map, uvs (3F, 2) float32; not in Edit Mode.

    uv_map: its name, empty for the active one.
    """
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    faces = np.empty(count * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    arrays = {"vertices": compat.read_positions(mesh), "faces": faces.reshape(-1, 3)}
    layer = mesh.uv_layers.get(uv_map) or mesh.uv_layers.active
    if layer is not None and not mesh.is_editmode:
        arrays["uvs"] = np.ascontiguousarray(compat.read_uvs(mesh, layer)[corner_loops(mesh)])
    return arrays


def corner_loops(mesh: Any) -> np.ndarray:
    """(3F,) int32: which corner of the mesh each corner of a triangle is; after `triangles`."""
    corners = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("loops", corners)
    return corners


def polygons_of(mesh: Any) -> np.ndarray:
    """(F,) int32: which polygon each triangle is a part of; after `triangles`."""
    owners = np.empty(len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("polygon_index", owners)
    return owners


def fingerprint(faces: np.ndarray) -> str:
    """The same for the same triangles, wherever their vertices stand. faces: (F, 3) int32."""
    return hashlib.blake2b(np.ascontiguousarray(faces).data, digest_size=16).hexdigest()
