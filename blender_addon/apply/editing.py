# SPDX-License-Identifier: GPL-3.0-or-later
"""An edited mesh -> an object beside the one that it was made from, in one undo step; that one stays as it is."""

from __future__ import annotations

from typing import Any

import bpy
from mathutils import Matrix

from .. import compat
from . import placement
from .painting import stand_beside
from .result import Delivery, build

GAP = 1.2
"""How far to the side it stands, in widths of the original."""


def place_of(target: str, options: dict[str, Any]) -> placement.Place:
    """Where the result, and before it its preview, will stand: to the right of the original, or in its place with the
    option `hide_original`."""
    item = bpy.data.objects[target]
    aside = 0.0 if options.get("hide_original") else GAP * item.dimensions.x
    matrix = Matrix.Translation((aside, 0.0, 0.0)) @ item.matrix_world
    scene = bpy.context.scene
    filed = item.users_collection[0] if item.users_collection else scene.collection
    name = placement.ROOT if filed == scene.collection else filed.name
    return placement.Place(scene.name, tuple(value for row in matrix for value in row), name)


def deliver(delivery: Delivery) -> str:
    """Returns the new object's name. Raises BrokenMesh or BrokenImage and leaves the scene as it was.

    It stands where its preview does, or where one would be. The original is hidden only with the option
    `hide_original`.
    """
    made = build(delivery, delivery.name or placement.object_name(delivery.prompt), in_metres=False, preview=True)
    item = bpy.data.objects.get(delivery.target)
    if not made.users_collection and item is not None:
        stand_beside(delivery, made)
        made.matrix_world = place_of(delivery.target, delivery.options).transform
    elif not made.users_collection:
        placement.link(delivery.place, made)
    placement.choose([made], delivery.selection)
    if item is not None and delivery.options.get("hide_original"):
        if item.name in bpy.context.view_layer.objects:
            item.hide_set(True)
        else:  # its collection was excluded meanwhile, or another scene is shown
            item.hide_viewport = True
        item.hide_render = True
    compat.undo_push(f"Maquette: {made.name}")
    return str(made.name)
