# SPDX-License-Identifier: GPL-3.0-or-later
"""The rough mesh that sharpens in place while a job runs.

One object a job, found by the job's id in a custom property, never held. While the triangles stay the same only
positions and colours are written (0.2 ms); when they change the same mesh is refilled, so that the object keeps its
transform, its collection and whatever the artist did to it. No undo step is made here: the result makes the one.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import bpy
import numpy as np

from .. import compat
from . import material as materials
from . import placement
from .mesh import MeshArrays

JOB_PROPERTY = "maquette_preview_of"
"""Custom property of a preview object: the id of its job."""

_SRGB_TO_LINEAR = np.where(
    np.arange(256) / 255.0 <= 0.04045,
    np.arange(256) / 255.0 / 12.92,
    ((np.arange(256) / 255.0 + 0.055) / 1.055) ** 2.4,
).astype(np.float32)


def find(job_id: str) -> Any | None:
    """The preview object of a job, or None when there is none (yet, any more, or after an undo)."""
    for item in bpy.data.objects:
        if item.get(JOB_PROPERTY) == job_id and item.type == "MESH":
            return item
    return None


def show(
    job_id: str, name: str, place: placement.Place, arrays: dict[str, np.ndarray], *, in_metres: bool = True
) -> str:
    """Make or update the preview of a job and return the object's name.

    arrays: vertices (V, 3) float32, faces (F, 3) int32, colours (V, 4) uint8 sRGB with straight alpha. in_metres: are
    the vertices metres, or units of the scene already?
    Raises BrokenMesh and changes nothing when the arrays are no mesh.
    """
    geometry = MeshArrays.from_result({key: arrays[key] for key in ("vertices", "faces") if key in arrays})
    vertices = placement.in_scene_units(geometry.vertices, place) if in_metres else geometry.vertices
    colours = arrays.get("colours")
    if colours is not None and (colours.dtype != np.uint8 or colours.shape != (len(geometry.vertices), 4)):
        colours = None
    item = find(job_id)
    if item is None:
        item = _create(job_id, name, place)
    mesh = item.data
    if _same_triangles(mesh, geometry):
        compat.write_positions(mesh, vertices)
    else:
        mesh.clear_geometry()
        compat.write_geometry(mesh, vertices, geometry.faces, None, None)
        compat.shade_smooth(mesh, None)
    if colours is not None:
        _write_colours(mesh, colours)
        solid = mesh.materials[0] if mesh.materials else None
        if solid is not None and solid.get(JOB_PROPERTY) == job_id:
            mean = _SRGB_TO_LINEAR[colours[:, :3]].mean(axis=0)
            solid.diffuse_color = (float(mean[0]), float(mean[1]), float(mean[2]), 1.0)  # Solid shading shows it
    item.update_tag()
    return item.name


def _create(job_id: str, name: str, place: placement.Place) -> Any:
    title = f"{name} (preview)"
    mesh = bpy.data.meshes.new(title)
    surface = materials.preview(title)
    mesh.materials.append(surface)
    item = bpy.data.objects.new(title, mesh)
    for block in (item, mesh, surface):
        block[JOB_PROPERTY] = job_id
    placement.link(place, item)
    return item


def _same_triangles(mesh: Any, geometry: MeshArrays) -> bool:
    """Does the mesh hold exactly these triangles already? Read from the mesh, because an undo may have changed it."""
    if len(mesh.vertices) != len(geometry.vertices) or len(mesh.loops) != geometry.faces.size:
        return False
    corners = np.empty(geometry.faces.size, dtype=np.int32)
    attribute = mesh.attributes.get(".corner_vert")
    if attribute is not None:
        attribute.data.foreach_get("value", corners)
    else:
        mesh.loops.foreach_get("vertex_index", corners)
    return bool(np.array_equal(corners, geometry.faces.ravel()))


def _write_colours(mesh: Any, colours: np.ndarray) -> None:
    """colours: (V, 4) uint8 sRGB; stored linear, one a vertex, which Blender copies in one go."""
    attribute = mesh.color_attributes.get(materials.PREVIEW_COLOUR)
    if attribute is None:
        attribute = mesh.color_attributes.new(materials.PREVIEW_COLOUR, "FLOAT_COLOR", "POINT")
        mesh.color_attributes.active_color = attribute
    linear = np.empty(colours.shape, dtype=np.float32)
    linear[:, :3] = _SRGB_TO_LINEAR[colours[:, :3]]
    linear[:, 3] = colours[:, 3] / np.float32(255.0)
    attribute.data.foreach_set("color", linear.ravel())


def turn_into(job_id: str, name: str, mesh: Any) -> Any | None:
    """Let the preview of a job go on as the result: the same object, called `name`, with `mesh`; its own mesh and
    material go. None when there is no preview that lies in any collection."""
    item = find(job_id)
    if item is None or not item.users_collection:
        remove(job_id)
        return None
    rough = item.data
    item.data = mesh
    item.name = name
    del item[JOB_PROPERTY]
    if rough.users == 0:
        bpy.data.meshes.remove(rough)
    for block in list(bpy.data.materials):
        if block.get(JOB_PROPERTY) == job_id and block.users == 0:
            bpy.data.materials.remove(block)
    return item


def remove(job_id: str) -> None:
    """Take the preview of a job away with the mesh and the material that were made for it, and nothing else."""
    item = find(job_id)
    if item is not None:
        bpy.data.objects.remove(item)
    for blocks in (bpy.data.meshes, bpy.data.materials):
        for block in list(blocks):
            if block.get(JOB_PROPERTY) == job_id and block.users == 0:
                blocks.remove(block)


def sweep(running: Container[str]) -> list[str]:
    """Remove previews whose job is not running, and return those jobs' ids.

    An undo can bring a preview back after its result has replaced it, and a file can be saved in mid-job.
    """
    stale = {item[JOB_PROPERTY] for item in bpy.data.objects if JOB_PROPERTY in item}
    removed = sorted(job_id for job_id in stale if job_id not in running)
    for job_id in removed:
        remove(job_id)
    return removed
