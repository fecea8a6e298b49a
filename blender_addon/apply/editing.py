# SPDX-License-Identifier: GPL-3.0-or-later
"""An edited mesh -> an object beside the one that it was made from, in one undo step; that one stays as it is."""

from __future__ import annotations

import bpy
from mathutils import Matrix

from .. import compat
from . import placement
from .painting import stand_beside
from .result import Delivery, build

GAP = 1.2
"""How far to the side it stands, in widths of the original."""


def deliver(delivery: Delivery) -> str:
    """Returns the new object's name. Raises BrokenMesh or BrokenImage and leaves the scene as it was.

    The option `hide_original` puts it where the original stands, which is hidden; without it, it stands to the right.
    """
    made = build(delivery, delivery.name or placement.object_name(delivery.prompt), in_metres=False, preview=True)
    item = bpy.data.objects.get(delivery.target)
    if not made.users_collection:
        stand_beside(delivery, made)
    elif item is not None:
        made.matrix_world = item.matrix_world
    if item is not None and delivery.options.get("hide_original"):
        item.hide_set(True)
        item.hide_render = True
    elif item is not None:
        bpy.context.view_layer.update()  # for the size
        made.matrix_world = Matrix.Translation((GAP * max(item.dimensions.x, made.dimensions.x), 0.0, 0.0)) \
            @ item.matrix_world
    compat.undo_push(f"Maquette: {made.name}")
    return str(made.name)
