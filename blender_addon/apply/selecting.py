# SPDX-License-Identifier: GPL-3.0-or-later
"""A segmentation -> a selection of faces, or a mask beside a picture."""

from __future__ import annotations

import bmesh
import bpy
import numpy as np

from .. import compat, wire
from ..capture import meshes
from .image import image_from_png, png_size
from .mesh import BrokenMesh
from .result import Delivery


def deliver(delivery: Delivery) -> str:
    """Returns the object's name, or that of the mask. The option `add` keeps what is selected already. Raises
    BrokenMesh, BrokenImage or BadRequest."""
    return deliver_mask(delivery) if "picture" in delivery.options else deliver_faces(delivery)


def deliver_faces(delivery: Delivery) -> str:
    """Select the faces of an object, in Object Mode and in Edit Mode alike."""
    item = bpy.data.objects.get(delivery.target)
    if item is None or item.type != "MESH":
        raise wire.errors.BadRequest(f"There is no mesh called {delivery.target} any more.", path="target")
    chosen = delivery.arrays.get("selected")
    if chosen is None:
        raise BrokenMesh("the result selects nothing")
    with meshes.at_rest(item.name) as still:
        faces = meshes.triangles(still.data)["faces"]
        if chosen.shape != (len(faces),):
            raise wire.errors.BadRequest(f"{item.name} is another mesh by now.", hint="Click once more.")
        picked = np.zeros(len(still.data.polygons), bool)
        picked[meshes.polygons_of(still.data)[chosen != 0]] = True
    if item.mode == "EDIT":
        _in_edit_mode(item.data, picked, bool(delivery.options.get("add")))
    else:
        if delivery.options.get("add"):
            before = np.empty(len(picked), bool)
            item.data.polygons.foreach_get("select", before)
            picked |= before
        _in_object_mode(item.data, picked)
    compat.undo_push("Maquette: faces selected")
    return str(item.name)


def _in_edit_mode(mesh: bpy.types.Mesh, picked: np.ndarray, add: bool) -> None:
    work = bmesh.from_edit_mesh(mesh)
    work.select_mode = {"FACE"}
    for face, select in zip(work.faces, picked.tolist(), strict=True):
        face.select_set(select or add and face.select)
    work.select_flush_mode()
    bmesh.update_edit_mesh(mesh, loop_triangles=False, destructive=False)


def _in_object_mode(mesh: bpy.types.Mesh, picked: np.ndarray) -> None:
    """Faces with their edges and vertices, so that Edit Mode shows the same."""
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    edges = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("edge_index", edges)
    totals = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", totals)
    of_corners = np.repeat(picked, totals)
    for elements, indices in ((mesh.vertices, corners), (mesh.edges, edges)):
        chosen = np.zeros(len(elements), bool)
        chosen[indices[of_corners]] = True
        elements.foreach_set("select", chosen)
    mesh.polygons.foreach_set("select", picked)
    mesh.update()


def deliver_mask(delivery: Delivery) -> str:
    """The mask as an image, which the panel, where there is one, takes for its next job."""
    png = delivery.arrays.get("mask")
    if png is None:
        raise BrokenMesh("the result has no mask")
    png_size(png.tobytes())
    name = str(delivery.options["picture"])
    image = image_from_png(f"{name[:50]} mask", png, "Non-Color")
    image.use_fake_user = True
    scene = bpy.data.scenes.get(delivery.place.scene) or bpy.context.scene
    if hasattr(scene, "maquette"):
        scene.maquette.mask = image
    compat.undo_push(f"Maquette: {image.name}")
    return str(image.name)
