# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mesh wears: the texture that feeds Base Colour, the UV map that it lies on, or the plain colour."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from .. import compat, wire
from . import pictures

PLAIN_SIDE = 1024
"""Pixels of the texture that stands for a plain colour."""
GREY = (0.8, 0.8, 0.8)
"""Linear; what Blender shows where there is no material."""


@dataclass(frozen=True)
class Worn:
    """slots: indices of the material slots that show it, none where there are no slots. image: name of the texture,
    empty for a plain colour. uv_map: name of its UV map, empty where the mesh has none. colour: linear RGB of what is
    plain."""

    slots: tuple[int, ...]
    image: str
    uv_map: str
    colour: tuple[float, float, float] = GREY

    def file(self) -> bytes:
        """PNG or JPEG bytes; of a plain colour an even picture. Raises BadRequest."""
        if self.image:
            return pictures.file_bytes(bpy.data.images[self.image])
        even = (pictures.encoded(np.array(self.colour, np.float32)) * 255.0 + 0.5).astype(np.uint8)
        return pictures.png(np.broadcast_to(even, (PLAIN_SIDE, PLAIN_SIDE, 3)))


    def alike(self, other: Worn) -> bool:
        """Is it the same on other slots?"""
        return (self.image, self.uv_map, self.colour) == (other.image, other.uv_map, other.colour)


def slots_of(item: Any) -> np.ndarray:
    """(P,) int32: the material slot that each polygon shows."""
    used = np.empty(len(item.data.polygons), np.int32)
    item.data.polygons.foreach_get("material_index", used)
    return np.clip(used, 0, max(len(item.material_slots) - 1, 0))


def worn(item: Any, chosen: np.ndarray | None = None) -> Worn:
    """What the chosen polygons wear, (P,) bool; None for all. Raises BadRequest where that is more than one thing."""
    used = np.unique(slots_of(item) if chosen is None else slots_of(item)[chosen])
    found = [_of_slot(item, int(slot)) for slot in used]
    found = found or [_of_slot(item, 0)]
    if not all(one.alike(found[0]) for one in found):
        raise wire.errors.BadRequest(
            f"{item.name} wears {len(found)} materials there.", path="target",
            hint="Select faces of one material, or give the object one texture with Texture first.",
        )
    slots = range(len(item.material_slots))
    alike = [slot for slot in slots if (_of_slot(item, slot).alike(found[0]) if found[0].image else slot in used)]
    return replace(found[0], slots=tuple(alike))


def one_texture(item: Any) -> Worn | None:
    """What the whole mesh wears, where that is one texture."""
    try:
        found = worn(item)
    except wire.errors.BadRequest:
        return None
    return found if found.image else None


def _of_slot(item: Any, slot: int) -> Worn:
    mesh = item.data
    shown = next((layer.name for layer in mesh.uv_layers if layer.active_render), "")
    material = item.material_slots[slot].material if slot < len(item.material_slots) else None
    if material is None:
        return Worn((), "", shown)
    surface = _surface(material)
    if surface is None:
        return Worn((), "", shown, tuple(material.diffuse_color[:3]))
    entry = compat.socket(surface.inputs, "Base Color", "Color")
    node = texture_node(entry)
    if node is None:
        return Worn((), "", shown, tuple(entry.default_value[:3]))
    named = _uv_map_of(node)
    return Worn((), node.image.name, named if named in mesh.uv_layers else shown)


def _surface(material: Any) -> Any | None:
    """The shader node that gives a material its colour."""
    if material.node_tree is None:
        return None
    wanted = ("BSDF_PRINCIPLED", "BSDF_DIFFUSE", "EMISSION")
    nodes = [node for node in material.node_tree.nodes if node.type in wanted]
    return min(nodes, key=lambda node: wanted.index(node.type), default=None)


def texture_node(entry: Any, depth: int = 8) -> Any | None:
    """The first image node that feeds a socket, also through node groups; None when there is none."""
    if depth == 0:
        return None
    for link in entry.links:
        node = link.from_node
        if node.type == "TEX_IMAGE":
            if node.image is not None:
                return node
            continue
        entries = list(node.inputs)
        if node.type == "GROUP" and node.node_tree is not None:
            ends = [one for one in node.node_tree.nodes if one.type == "GROUP_OUTPUT" and one.is_active_output]
            entries = [one.inputs[link.from_socket.name] for one in ends if link.from_socket.name in one.inputs]
        for one in entries:
            found = texture_node(one, depth - 1)
            if found is not None:
                return found
    return None


def _uv_map_of(node: Any) -> str:
    for link in node.inputs["Vector"].links:
        if link.from_node.type == "UVMAP":
            return str(link.from_node.uv_map)
    return ""
