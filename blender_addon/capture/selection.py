# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist has selected of a mesh: faces in Edit Mode, a vertex group, or a mask painted on its UVs."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .. import wire
from . import meshes, pictures

SOURCES = ("FACES", "GROUP", "MASK")
HALF = 0.5
"""Weight from which on a vertex belongs to a group's selection."""


def check(item: Any, properties: Any) -> None:
    """Raises BadRequest where the panel's choice means nothing; quick enough to be asked whenever the panel draws."""
    if properties.selection == "MASK":
        if properties.mask is None:
            raise wire.errors.BadRequest("Choose the image that the mask is painted on", path="selection")
    elif properties.selection == "GROUP":
        if properties.vertex_group not in item.vertex_groups:
            raise wire.errors.BadRequest("Choose a vertex group", path="selection")
    elif item.mode == "EDIT":
        if item.data.total_face_sel == 0:
            raise wire.errors.BadRequest("Select faces", path="selection")
    elif not _selected(item.data).any():
        raise wire.errors.BadRequest("Select faces in Edit Mode", path="selection")


def inputs(item: Any, source: str, group: str = "", mask: str = "") -> dict[str, np.ndarray]:
    """`selected` (F,) uint8 a triangle, or `mask`, a PNG on the UVs; after `meshes.triangles`.

    source: one of `SOURCES`. group: name of a vertex group. mask: name of an image. Raises BadRequest for a selection
    of nothing.
    """
    if source == "MASK":
        image = bpy.data.images.get(mask)
        if image is None:
            raise wire.errors.BadRequest("Choose the image that the mask is painted on", path="selection")
        return {"mask": pictures.as_input(pictures.mask(image))}
    return {"selected": by_triangle(item, polygons(item, source, group))}


def by_triangle(item: Any, chosen: np.ndarray) -> np.ndarray:
    """(F,) uint8 of triangles, out of (P,) bool of polygons; after `meshes.triangles`. Raises BadRequest for none."""
    if not chosen.any():
        raise wire.errors.BadRequest(f"No face of {item.name} is selected.", path="selection",
                                     hint="Select faces in Edit Mode, or choose another selection.")
    return chosen[meshes.polygons_of(item.data)].astype(np.uint8)


def polygons(item: Any, source: str, group: str = "") -> np.ndarray:
    """(P,) bool, which polygons are selected. A face belongs to a group when all its vertices do."""
    mesh = item.data
    if source == "FACES":
        return _selected(mesh)
    found = item.vertex_groups.get(group)
    if found is None:
        raise wire.errors.BadRequest(f"{item.name} has no vertex group called {group}.", path="selection")
    weights = np.zeros(len(mesh.vertices), np.float32)
    for vertex in mesh.vertices:
        for one in vertex.groups:
            if one.group == found.index:
                weights[vertex.index] = one.weight
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    starts = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_start", starts)
    return np.minimum.reduceat(weights[corners], starts) >= HALF


def given(item: Any, faces: Any) -> np.ndarray:
    """(P,) bool out of a script's polygon numbers, or of its own (P,) bool. Raises BadRequest."""
    count = len(item.data.polygons)
    values = np.asarray(faces)
    if values.dtype == bool and values.shape == (count,):
        return values
    chosen = np.zeros(count, bool)
    if values.ndim != 1 or values.dtype.kind not in "iu" or (
        values.size and not 0 <= int(values.min()) <= int(values.max()) < count
    ):
        raise wire.errors.BadRequest(f"faces must be numbers of polygons, 0 to {count - 1}.", path="faces")
    chosen[values] = True
    return chosen


def _selected(mesh: Any) -> np.ndarray:
    chosen = np.empty(len(mesh.polygons), bool)
    mesh.polygons.foreach_get("select", chosen)
    return chosen
