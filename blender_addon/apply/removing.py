# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh without a piece -> the object it was made for, in one undo step.

Only what goes is taken out and only the patch is put in: polygons that stay keep their corners, and with them UV maps,
materials, weights, attributes, seams, shape keys and whatever else hangs on them. Where the texture has grown to make
room for the patch, its coordinates come as a UV map of their own, because others may lie on the artist's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bmesh
import bpy
import numpy as np
from mathutils.kdtree import KDTree

from .. import compat, wire
from ..capture import meshes
from . import adopting
from .image import image_from_png, png_size
from .inpainting import titled
from .mesh import BrokenMesh, MeshArrays
from .painting import UV_NAME, paintable, stand_beside
from .result import Delivery, build, remember

SAME = 1e-5
"""Of the object's size: vertices that moved further since the job was asked for make it another mesh."""


@dataclass(frozen=True)
class Patched:
    """A result as it is checked at the door. face_origin (F,), vertex_origin (V,): the index each had, -1 for new."""

    geometry: MeshArrays
    face_origin: np.ndarray
    vertex_origin: np.ndarray

    @classmethod
    def from_result(cls, arrays: dict[str, np.ndarray]) -> Patched:
        """Raises BrokenMesh."""
        geometry = MeshArrays.from_result(arrays)
        found = []
        for name, count in (("face_origin", len(geometry.faces)), ("vertex_origin", len(geometry.vertices))):
            array = arrays.get(name)
            if array is None or array.dtype != np.int32 or array.shape != (count,) or array.min(initial=0) < -1:
                raise BrokenMesh(f"{name} does not say where everything comes from")
            found.append(array)
        return cls(geometry, *found)

    def fits(self, now: dict[str, np.ndarray]) -> bool:
        """Is this what went in, with a piece missing? now: the mesh as it is, in triangles."""
        kept, stays = self.face_origin >= 0, self.vertex_origin >= 0
        if self.face_origin.max(initial=-1) >= len(now["faces"]):
            return False
        if self.vertex_origin.max(initial=-1) >= len(now["vertices"]):
            return False
        if not np.array_equal(now["faces"][self.face_origin[kept]], self.vertex_origin[self.geometry.faces[kept]]):
            return False
        size = float(np.ptp(now["vertices"], axis=0).max())
        moved = np.abs(now["vertices"][self.vertex_origin[stays]] - self.geometry.vertices[stays])
        return bool(moved.max(initial=0.0) <= SAME * size)


def deliver(delivery: Delivery) -> str:
    """Returns the object's name, or that of a new object beside it where the mesh is another one by now. Raises
    BrokenMesh or BrokenImage and leaves the scene as it was."""
    patched = Patched.from_result(delivery.arrays)
    png = delivery.arrays.get("base_colour")
    if png is not None:
        png_size(png.tobytes())
    item = paintable(delivery.target)
    now = meshes.triangles(item.data, str(delivery.options.get("uv_map", ""))) if item is not None else None
    if item is None or now is None or not patched.fits(now):
        made = build(delivery, f"{delivery.name or delivery.target} repaired", in_metres=False)
        stand_beside(delivery, made)
        compat.undo_push(f"Maquette: {made.name}")
        return str(made.name)
    if item.data.users > 1 and any(one.library is not None for one in bpy.data.objects if one.data == item.data):
        raise wire.errors.BadRequest(f"{item.name} shares its mesh with a linked object.", path="target")
    uv_map = _uv_map(item.data, patched, delivery)
    _replace(item.data, patched, meshes.polygons_of(item.data), uv_map)
    old = bpy.data.images.get(str(delivery.options.get("image", "")))
    if png is not None and old is not None:
        new = image_from_png(titled(old.name), png, external=delivery.external_images)
        new.colorspace_settings.name = old.colorspace_settings.name
        adopting.exchange(item, [int(slot) for slot in delivery.options.get("slots", ())], old, new,
                          uv_map if uv_map != delivery.options.get("uv_map") else "")
    remember(item, delivery)
    compat.undo_push(f"Maquette: {item.name} without the selection")
    return str(item.name)


def _uv_map(mesh: Any, patched: Patched, delivery: Delivery) -> str:
    """Name of the UV map that the patch's coordinates go to: the one that went in, a new one where the texture has
    grown, empty where there are none."""
    uvs = patched.geometry.uvs
    given = str(delivery.options.get("uv_map", "")) or (mesh.uv_layers.active.name if mesh.uv_layers.active else "")
    if uvs is None or not given:
        return ""
    kept = patched.face_origin >= 0
    before = compat.read_uvs(mesh, mesh.uv_layers[given])[meshes.corner_loops(mesh)].reshape(-1, 3, 2)
    if np.array_equal(before[patched.face_origin[kept]], uvs.reshape(-1, 3, 2)[kept]):
        return given
    corners = meshes.corner_loops(mesh).reshape(-1, 3)
    values = np.zeros((len(mesh.loops), 2), np.float32)
    values[corners[patched.face_origin[kept]]] = uvs.reshape(-1, 3, 2)[kept]
    active = mesh.uv_layers.active_index
    name = compat.write_uvs(mesh, UV_NAME, values)
    mesh.uv_layers.active_index = max(active, 0)  # the artist's own stays the one that is edited
    return name


def _replace(mesh: Any, patched: Patched, owners: np.ndarray, uv_map: str) -> None:
    """Take out the polygons that are gone, put in the triangles that are new. owners: polygon of each old triangle."""
    count = len(mesh.polygons)
    pieces = np.bincount(owners, minlength=count)
    left = np.bincount(owners[patched.face_origin[patched.face_origin >= 0]], minlength=count)
    gone = left < pieces
    origin = patched.face_origin
    new = (origin < 0) | gone[owners[np.maximum(origin, 0)]]  # the rest of a polygon that was cut comes anew
    work = bmesh.new()
    try:
        work.from_mesh(mesh)
        work.verts.ensure_lookup_table()
        work.faces.ensure_lookup_table()
        old_faces = [work.faces[int(at)] for at in np.flatnonzero(gone)]
        edges = {edge for face in old_faces for edge in face.edges}
        vertices = {vertex for face in old_faces for vertex in face.verts}
        corners = [work.verts[int(one)] if one >= 0 else None for one in patched.vertex_origin]
        rim = _Rim(old_faces)
        bmesh.ops.delete(work, geom=old_faces, context="FACES_ONLY")
        for at in np.unique(patched.geometry.faces[new]):
            if corners[at] is None:
                place = patched.geometry.vertices[at].tolist()
                corners[at] = work.verts.new(place, rim.vertex(place))
        uvs = patched.geometry.uvs
        layer = work.loops.layers.uv.get(uv_map) if uv_map else None
        for at in np.flatnonzero(new):
            face = _face(work, [corners[one] for one in patched.geometry.faces[at]], rim)
            if layer is not None and uvs is not None and face is not None:
                for loop, uv in zip(face.loops, uvs[3 * at : 3 * at + 3], strict=True):
                    loop[layer].uv = uv.tolist()
        bmesh.ops.delete(work, geom=[edge for edge in edges if not edge.link_faces], context="EDGES")
        lonely = [vertex for vertex in vertices if vertex.is_valid and not vertex.link_edges]
        bmesh.ops.delete(work, geom=lonely, context="VERTS")
        work.to_mesh(mesh)
    finally:
        work.free()
    mesh.update()


def _face(work: Any, corners: list[Any], rim: _Rim) -> Any | None:
    """A triangle with the material and the marks of a neighbour; None where there is one on these corners already."""
    example = rim.face(corners)
    try:
        face = work.faces.new(corners) if example is None else work.faces.new(corners, example)
    except ValueError:  # bmesh knows each face once
        return None
    face.select_set(False)
    return face


class _Rim:
    """What stays around what goes, to take after: new vertices get the weights of the nearest old one, new faces the
    material of a neighbour."""

    def __init__(self, gone: list[Any]) -> None:
        inside = set(gone)
        self._border: dict[Any, Any] = {}  # vertex -> a face that stays
        for vertex in {vertex for face in gone for vertex in face.verts}:
            stays = next((face for face in vertex.link_faces if face not in inside), None)
            if stays is not None:
                self._border[vertex] = stays
        self._vertices = list(self._border)
        self._tree = KDTree(max(len(self._vertices), 1))
        for at, vertex in enumerate(self._vertices):
            self._tree.insert(vertex.co, at)
        self._tree.balance()

    def vertex(self, place: Any) -> Any | None:
        """The nearest vertex of the rim."""
        return self._vertices[self._tree.find(place)[1]] if self._vertices else None

    def face(self, corners: list[Any]) -> Any | None:
        """A face that stays and touches one of these corners, else one at the nearest vertex of the rim."""
        for corner in corners:
            if corner in self._border:
                return self._border[corner]
        near = self.vertex(corners[0].co)
        return self._border[near] if near is not None else None
