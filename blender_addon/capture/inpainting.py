# SPDX-License-Identifier: GPL-3.0-or-later
"""What is selected of a textured mesh, or painted over in a picture -> an inpaint job.

Of a mesh only the faces that wear the selected texture go in: others may lie on the same texels.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .. import wire
from . import appearance, cameras, meshes, pictures, selection
from .text import shared

RIGS = {"NONE": "facing", "TURNTABLE": "turntable", "SCENE": "cameras", "COLLECTION": "cameras"}
VERBS_WITH_WORDS = ("fill", "replace")


def spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.InpaintSpec` for the active mesh. Raises BadRequest naming the field."""
    item = bpy.data.objects[meshes.target(context, properties)]
    selection.check(item, properties)
    if not len(item.data.uv_layers):
        raise wire.errors.BadRequest(f"{item.name} has no UV map; give it one, or a texture with Texture", path="uvs")
    if RIGS[properties.rig] == "cameras":
        cameras.rig(context, properties)
    turntable = properties.rig == "TURNTABLE"
    return _spec(properties, item.name, seed, rig=RIGS[properties.rig],
                 views=properties.rig_count if turntable else 0)


def picture_spec_from(context: Any, properties: Any, image: Any, seed: int | None = None) -> Any:
    """`protocol.specs.InpaintSpec` for an image. Raises BadRequest naming the field."""
    pictures.check(image)
    mask = properties.mask
    if mask is None:
        raise wire.errors.BadRequest("Make a mask, or choose one", path="mask")
    if tuple(mask.size) != tuple(image.size):
        raise wire.errors.BadRequest(
            f"The mask has {mask.size[0]} x {mask.size[1]} pixels and the picture {image.size[0]} x {image.size[1]}",
            path="mask",
        )
    return _spec(properties, image.name, seed)


def _spec(properties: Any, name: str, seed: int | None, **rig: Any) -> Any:
    words = properties.verb in VERBS_WITH_WORDS  # what was typed for something else says nothing about a removal
    asked = shared(properties, seed) | ({} if words else {"prompt": ""})
    if words and not asked["prompt"]:
        raise wire.errors.BadRequest("Type what shall be there into Prompt", path="prompt")
    return wire.specs.InpaintSpec(
        verb=properties.verb,
        **asked,
        grow=properties.grow,
        feather=properties.feather,
        strength=round(properties.strength, 6),
        name=name[:63],
        **rig,
    )


def options(context: Any, properties: Any, target: str, spec: Any) -> dict[str, Any]:
    """What the way back needs to know: how the mesh was selected, and what it wore there."""
    mask = properties.mask.name if properties.mask is not None else ""
    return options_of(target, properties.selection, properties.vertex_group, mask)


def options_of(target: str, source: str, group: str = "", mask: str = "", faces: Any = None) -> dict[str, Any]:
    """The same from plain values. faces: of a script, in place of a source."""
    with meshes.at_rest(target) as item:
        worn = appearance.worn(item, _chosen(item, source, group, faces))
        named = {} if faces is None else {"faces": np.flatnonzero(selection.given(item, faces)).tolist()}
    return {"selection": source, "group": group, "mask": mask, "slots": list(worn.slots), "image": worn.image,
            "uv_map": worn.uv_map, **named}


def _chosen(item: Any, source: str, group: str, faces: Any) -> np.ndarray | None:
    if faces is not None:
        return selection.given(item, faces)
    return None if source == "MASK" else selection.polygons(item, source, group)


def inputs(context: Any, properties: Any, target: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """vertices, faces, uvs and base_colour of what wears the selected texture, `selected` or `mask`, and cameras where
    the spec's rig is of cameras. For a picture: `picture` and `mask`. Raises BadRequest."""
    if "picture" in options:
        return picture_inputs(options)
    faces = options.get("faces")
    with meshes.at_rest(target) as item:
        worn = appearance.worn(item, _chosen(item, options["selection"], options["group"], faces))
        arrays = meshes.triangles(item.data, worn.uv_map)
        if "uvs" not in arrays:
            raise wire.errors.BadRequest(f"{target} has no UV map; give it one, or a texture with Texture", path="uvs")
        arrays |= (
            selection.inputs(item, options["selection"], options["group"], options["mask"]) if faces is None
            else {"selected": selection.by_triangle(item, selection.given(item, faces))}
        )
        arrays = _of_slots(item, arrays, worn.slots)
    arrays["base_colour"] = pictures.as_input(worn.file())
    if spec.rig == "cameras":
        arrays |= cameras.seen_by(bpy.data.objects[target], cameras.rig(context, properties))
    return arrays


def _of_slots(item: Any, arrays: dict[str, np.ndarray], slots: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Without the triangles of other material slots."""
    here = np.isin(appearance.slots_of(item), slots or (0,))[meshes.polygons_of(item.data)]
    if here.all():
        return arrays
    arrays["uvs"] = np.ascontiguousarray(arrays["uvs"].reshape(-1, 3, 2)[here].reshape(-1, 2))
    for name in ("faces", "selected"):
        if name in arrays:
            arrays[name] = np.ascontiguousarray(arrays[name][here])
    return arrays


def picture_options(image: Any, mask: Any) -> dict[str, Any]:
    """What the way back needs to know of a picture: its name, and that of the mask."""
    return {"picture": image.name, "mask": mask.name}


def picture_inputs(options: dict[str, Any]) -> dict[str, np.ndarray]:
    """`picture` and `mask`. Raises BadRequest when one of them is gone."""
    for name in (options["picture"], options["mask"]):
        if name not in bpy.data.images:
            raise wire.errors.BadRequest(f"There is no image called {name} any more.", path="picture")
    return {
        "picture": pictures.as_input(pictures.file_bytes(bpy.data.images[options["picture"]])),
        "mask": pictures.as_input(pictures.mask(bpy.data.images[options["mask"]])),
    }
