# SPDX-License-Identifier: GPL-3.0-or-later
"""Selected faces of a mesh -> a remove job: they go, and surface and texture close over the hole."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .. import wire
from . import appearance, meshes, pictures, selection


def spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.RemoveSpec` for the active mesh. Raises BadRequest naming the field."""
    item = bpy.data.objects[meshes.target(context, properties)]
    if properties.selection == "MASK":
        raise wire.errors.BadRequest("A mask selects texels, not faces; choose faces or a vertex group",
                                     path="selection")
    selection.check(item, properties)
    return wire.specs.RemoveSpec(
        closing=properties.closing,
        views=properties.patch_views,
        seed=properties.seed if seed is None else seed,
        name=item.name,
    )


def options(context: Any, properties: Any, target: str, spec: Any) -> dict[str, Any]:
    """What the way back needs to know: how the mesh was selected, and what it wears around the hole."""
    return options_of(target, properties.selection, properties.vertex_group)


def options_of(target: str, source: str, group: str = "", faces: Any = None) -> dict[str, Any]:
    """The same from plain values. faces: of a script, in place of a source."""
    with meshes.at_rest(target) as item:
        chosen = selection.polygons(item, source, group) if faces is None else selection.given(item, faces)
        found = {"selection": source, "group": group, **_worn(item, chosen)}
    return found if faces is None else found | {"faces": np.flatnonzero(chosen).tolist()}


def _worn(item: Any, chosen: np.ndarray) -> dict[str, Any]:
    """The texture that is continued; none where the selection wears several, or the mesh has no UVs."""
    try:
        worn = appearance.worn(item, chosen)
    except wire.errors.BadRequest:
        return {}
    return {"slots": list(worn.slots), "image": worn.image, "uv_map": worn.uv_map} if worn.image else {}


def inputs(context: Any, properties: Any, target: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """vertices, faces and selected, and where the selection wears one texture uvs and base_colour. Raises BadRequest
    for a selection of nothing or of everything."""
    faces = options.get("faces")
    with meshes.at_rest(target) as item:
        arrays = meshes.triangles(item.data, options.get("uv_map", ""))
        chosen = (
            selection.polygons(item, options["selection"], options["group"]) if faces is None
            else selection.given(item, faces)
        )
        if chosen.all():
            raise wire.errors.BadRequest(f"All of {target} is selected; nothing would be left.", path="selection")
        arrays["selected"] = selection.by_triangle(item, chosen)
    image = bpy.data.images.get(options.get("image", ""))
    if image is not None and "uvs" in arrays:
        arrays["base_colour"] = pictures.as_input(pictures.file_bytes(image))
    return arrays
