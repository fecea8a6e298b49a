# SPDX-License-Identifier: GPL-3.0-or-later
"""A new texture in the place of an old one, without touching what the artist made.

The material is copied, the texture changed in the copy, the copy put into a slot of its own and given to the faces that
wore the other; which slot each face had is kept in an attribute. In a copy that was made here the texture is changed
where it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .material import MADE

BEFORE = "maquette_slot_before"
"""Integer attribute of the faces: the material slot that each had before it was painted."""


def with_image(material: Any, old: Any, new: Any, uv_map: str = "") -> Any:
    """A copy of a material in which one image is another; node groups that hold it are copied too.

    uv_map: name of the UV map that the new image lies on; empty where it is that of the old one.
    """
    copy = material.copy()
    copy[MADE] = True
    copy.name = f"{material.name} painted" if not material.name.endswith(" painted") else material.name
    _exchange(copy.node_tree, old, new, uv_map)
    return copy


def _exchange(tree: Any, old: Any, new: Any, uv_map: str) -> None:
    for node in list(tree.nodes):
        if node.type == "TEX_IMAGE" and node.image == old:
            node.image = new
            if uv_map:
                _lay_on(tree, node, uv_map)
        elif node.type == "GROUP" and node.node_tree is not None and holds(node.node_tree, old):
            node.node_tree = node.node_tree.copy()
            _exchange(node.node_tree, old, new, uv_map)


def holds(tree: Any, image: Any) -> bool:
    """Does a node tree, or a group in it, show this image?"""
    return any(
        node.type == "TEX_IMAGE" and node.image == image
        or node.type == "GROUP" and node.node_tree is not None and holds(node.node_tree, image)
        for node in tree.nodes
    )


def _lay_on(tree: Any, node: Any, uv_map: str) -> None:
    """Have an image node read its coordinates from a UV map."""
    source = next((link.from_node for link in node.inputs["Vector"].links if link.from_node.type == "UVMAP"), None)
    if source is None:
        source = tree.nodes.new("ShaderNodeUVMap")
        source.location = (node.location.x - 220.0, node.location.y - 120.0)
        source.parent = node.parent
        tree.links.new(source.outputs["UV"], node.inputs["Vector"])
    source.uv_map = uv_map


def give(item: Any, surface: Any, faces: np.ndarray | None = None) -> int:
    """Put a material into a new slot and give it to faces, (P,) bool, or to all; returns the slot's index."""
    mesh = item.data
    slots = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    if BEFORE not in mesh.attributes and len(mesh.materials):
        mesh.attributes.new(BEFORE, "INT", "FACE").data.foreach_set("value", slots)
    mesh.materials.append(surface)
    last = len(mesh.materials) - 1
    slots[slice(None) if faces is None else faces] = last
    mesh.polygons.foreach_set("material_index", slots)
    item.active_material_index = last
    mesh.update()
    return last


def exchange(item: Any, slots: list[int], old: Any, new: Any, uv_map: str = "") -> None:
    """Give the faces of these slots copies of their materials in which one image is another."""
    mesh = item.data
    used = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", used)
    used = np.clip(used, 0, max(len(mesh.materials) - 1, 0))
    for slot in slots:
        material = item.material_slots[slot].material if slot < len(item.material_slots) else None
        if material is None or material.node_tree is None or not (used == slot).any():
            continue
        if material.get(MADE) and material.users == 1:
            _exchange(material.node_tree, old, new, uv_map)
        else:
            give(item, with_image(material, old, new, uv_map), used == slot)
