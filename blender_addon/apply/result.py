# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished job -> an object in the scene, in one undo step.

Everything is checked before the first datablock is made, so that a broken result leaves the scene as it was.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np

from .. import compat
from . import material as materials
from . import placement
from . import preview as previews
from .image import image_from_png, png_size
from .mesh import MeshArrays, build_mesh

SHARP_ANGLE = math.radians(60.0)
"""Faces that meet at more than this keep a hard edge: a table's rim stays crisp, a mushroom's cap smooth."""


@dataclass(frozen=True)
class Delivery:
    """What `deliver` needs: who asked for what, where it goes, and what came.

    arrays: vertices, faces, uvs, edges, corner_edges as `MeshArrays` wants them; base_colour (n,) uint8, PNG bytes.
    report: JSON-able map; `material` may hold roughness and metallic, 0..1. target: name of the object to change, for
    kinds of work that change one. options: what was noted when the button was pressed, plain values. external_images:
    save textures beside the .blend file. selection: what was selected then, see `placement.choose`.
    """

    job_id: str
    prompt: str
    name: str
    place: placement.Place
    arrays: dict[str, np.ndarray]
    report: dict[str, Any] = field(default_factory=dict)
    target: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    external_images: bool = False
    selection: tuple[str, ...] | None = None


def deliver(delivery: Delivery) -> str:
    """Build the object, let it take the preview's place, close one undo step; returns the object's name.

    A preview becomes the result: it is the same object with another mesh, so that its transform, its collections,
    modifiers and whatever else the artist gave to it stay. Raises BrokenMesh or BrokenImage and leaves the scene as it
    was.
    """
    name = delivery.name or placement.object_name(delivery.prompt)
    item = build(delivery, name, preview=True)
    if not item.users_collection:
        placement.link(delivery.place, item)
    placement.choose([item], delivery.selection)
    compat.undo_push(f"Maquette: {name}")
    return str(item.name)


def build(delivery: Delivery, name: str, *, preview: bool = False, in_metres: bool = True) -> Any:
    """The object of a result, in no collection yet; with `preview`, the one that was its preview, where it lies.

    in_metres: are the vertices metres, or the units of the scene already? Raises BrokenMesh or BrokenImage.
    """
    geometry = MeshArrays.from_result(delivery.arrays)
    png = delivery.arrays.get("base_colour")
    if png is not None:
        png_size(png.tobytes())
    vertices = placement.in_scene_units(geometry.vertices, delivery.place) if in_metres else None
    mesh = build_mesh(name, geometry, SHARP_ANGLE, vertices)
    if png is not None and geometry.uvs is not None:
        mesh.materials.append(_material(name, delivery, png))
    item = previews.turn_into(delivery.job_id, name, mesh) if preview else None
    if item is None:
        item = bpy.data.objects.new(name, mesh)
    remember(item, delivery)
    return item


def _material(name: str, delivery: Delivery, png: np.ndarray) -> Any:
    roughness, metallic = materials.values(delivery.report)
    image = image_from_png(name, png, external=delivery.external_images)
    surface = materials.textured(name, f"Maquette: {name}", image, roughness, metallic)
    materials.show_in_solid(surface, delivery.arrays.get("thumbnail"))
    before = previews.find(delivery.job_id)
    if before is not None and before.data.materials and before.data.materials[0] is not None:
        surface.diffuse_color = before.data.materials[0].diffuse_color  # Solid shading keeps the colour it had
    return surface


def remember(item: Any, delivery: Delivery) -> None:
    """Write on the object how it was made, so that it can be made again from the file alone."""
    report = delivery.report
    item["maquette_prompt"] = delivery.prompt
    item["maquette_job"] = delivery.job_id
    item["maquette_seed"] = str(report.get("seed", ""))  # custom properties hold 32-bit numbers, seeds are longer
    item["maquette_preset"] = str(report.get("preset", ""))
    prior = report.get("prior", "")  # a name, or one a stage
    names = {str(name) for name in prior.values()} if isinstance(prior, dict) else {str(prior)}
    item["maquette_prior"] = ", ".join(sorted(names))
    item["maquette_report"] = json.dumps(report, sort_keys=True, default=str)

