# SPDX-License-Identifier: GPL-3.0-or-later
"""Variations of one sentence -> a row of objects, in one undo step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bpy
from mathutils import Matrix

from .. import compat, wire
from . import placement, preview
from .mesh import BrokenMesh
from .result import Delivery, build

SIBLINGS = "maquette_variation_of"
"""Custom property: the job whose variation an object is."""


def deliver(delivery: Delivery) -> str:
    """Returns the first object's name. Raises BrokenMesh or BrokenImage and leaves the scene as it was.

    The row's middle stands where one object would, along its X axis, or where the preview was moved to.
    """
    parts = split(delivery)
    if not parts:
        raise BrokenMesh("the result holds no variation")
    before = preview.find(delivery.job_id)
    middle = before.matrix_world.copy() if before is not None else delivery.place.transform
    gap = float(delivery.report.get("row_metres", 1.0)) / placement.scene_of(delivery.place).unit_settings.scale_length
    made: list[Any] = []
    try:
        for one in parts:
            made.append(build(one, one.name or placement.object_name(one.prompt)))
    except ValueError:  # nothing of a result that is broken in part
        for item in made:
            mesh = item.data
            bpy.data.objects.remove(item)
            bpy.data.meshes.remove(mesh)
        raise
    for at, item in enumerate(made):
        placement.link(delivery.place, item)
        item.matrix_world = middle @ Matrix.Translation(((at - (len(made) - 1) / 2.0) * gap, 0.0, 0.0))
        item[SIBLINGS] = delivery.job_id
    preview.remove(delivery.job_id)
    placement.choose(made, delivery.selection)
    compat.undo_push(f"Maquette: {len(made)} variations")
    return str(made[0].name)


def split(delivery: Delivery) -> list[Delivery]:
    """One delivery a variation, each with its own arrays and its own report."""
    names_of = wire.load("specs.variations").names_of
    reports = delivery.report.get("variations", [])
    found = []
    for index, report in enumerate(reports if isinstance(reports, list) else []):
        names = names_of(index, list(delivery.arrays))
        if names and isinstance(report, dict):
            arrays = {name: delivery.arrays[whole] for name, whole in names.items()}
            found.append(replace(delivery, arrays=arrays, report=report))
    return found


def siblings(item: Any) -> list[Any]:
    """The other variations of the same job that are in the file."""
    job = item.get(SIBLINGS) if item is not None else None
    return [one for one in bpy.data.objects if job and one != item and one.get(SIBLINGS) == job]
