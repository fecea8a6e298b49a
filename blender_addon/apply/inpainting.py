# SPDX-License-Identifier: GPL-3.0-or-later
"""An inpainted texture -> the object or the picture it was made for, in one undo step.

The old image stays in the file: the object's faces get a copy of their material that shows the new one, and a picture
comes as an image beside the old one.
"""

from __future__ import annotations

import bpy
import numpy as np

from .. import compat, wire
from . import adopting
from . import material as materials
from .image import image_from_png, png_size
from .mesh import BrokenMesh
from .painting import paintable, texture_of
from .result import Delivery, remember

ENDING = " inpainted"


def deliver(delivery: Delivery) -> str:
    """Returns the object's name, or that of the new image. Raises BrokenMesh, BrokenImage or BadRequest, and leaves
    the scene as it was."""
    return deliver_picture(delivery) if "picture" in delivery.options else deliver_texture(delivery)


def deliver_texture(delivery: Delivery) -> str:
    """The new texture on the faces that wear the old one. Moving vertices, or cutting faces, does not keep it away,
    because it lies on the same UVs."""
    png = texture_of(delivery)
    item = paintable(delivery.target)
    if item is None:
        raise wire.errors.BadRequest(f"There is no mesh called {delivery.target} any more.", path="target",
                                     hint="Bring the result in from the history when it is there again.")
    old = bpy.data.images.get(str(delivery.options.get("image", "")))
    uv_map = str(delivery.options.get("uv_map", ""))
    slots = [int(slot) for slot in delivery.options.get("slots", ())]
    new = image_from_png(titled(old.name if old is not None else item.name), png, external=delivery.external_images)
    if old is not None:
        new.colorspace_settings.name = old.colorspace_settings.name
        adopting.exchange(item, slots, old, new, "")
    else:
        surface = materials.textured(
            titled(item.name), f"Maquette: {delivery.prompt}"[:60], new, *materials.values(delivery.report),
            uv_name=uv_map,
        )
        materials.show_in_solid(surface, delivery.arrays.get("thumbnail"))
        used = np.empty(len(item.data.polygons), np.int32)
        item.data.polygons.foreach_get("material_index", used)
        adopting.give(item, surface, np.isin(used, slots) if slots else None)
    remember(item, delivery)
    compat.undo_push(f"Maquette: {item.name} inpainted")
    return str(item.name)


def deliver_picture(delivery: Delivery) -> str:
    """The new picture as an image of its own, shown where the old one is looked at."""
    png = delivery.arrays.get("picture")
    if png is None:
        raise BrokenMesh("the result has no picture")
    png_size(png.tobytes())
    old = bpy.data.images.get(str(delivery.options["picture"]))
    new = image_from_png(titled(str(delivery.options["picture"])), png, external=delivery.external_images)
    if old is not None:
        new.colorspace_settings.name = old.colorspace_settings.name
    new["maquette_prompt"], new["maquette_job"] = delivery.prompt, delivery.job_id
    new.use_fake_user = True  # nothing wears it yet, and it was asked for
    compat.show_image(old, new)
    compat.undo_push(f"Maquette: {new.name}")
    return str(new.name)


def titled(name: str) -> str:
    """The name of what comes out of an image; the ending is not put there twice."""
    stem = name.rsplit(".", 1)[0] if name.rsplit(".", 1)[-1].lower() in ("png", "jpg", "jpeg", "exr", "tif") else name
    return stem if stem.endswith(ENDING) else f"{stem[: 63 - len(ENDING)]}{ENDING}"
