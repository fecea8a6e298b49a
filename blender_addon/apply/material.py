# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials: a Principled surface that an artist can go on editing, for results and for previews.

The picture goes straight into Base Colour, so that exporters find it; everything made here sits in a labelled frame.
"""

from __future__ import annotations

from typing import Any

import bpy

from .. import compat
from .mesh import UV_NAME

PREVIEW_COLOUR = "Colour"
"""Name of the colour attribute that preview meshes carry."""


def _principled(name: str, label: str) -> tuple[Any, Any, Any]:
    """A new material with nothing but a Principled surface inside a frame: (material, surface node, frame)."""
    material = bpy.data.materials.new(name)
    compat.enable_nodes(material)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    frame = nodes.new("NodeFrame")
    frame.label = label
    surface = nodes.new("ShaderNodeBsdfPrincipled")
    surface.parent = frame
    surface.location = (0.0, 0.0)
    output = nodes.new("ShaderNodeOutputMaterial")
    output.location = (320.0, 0.0)
    links.new(surface.outputs["BSDF"], output.inputs["Surface"])
    return material, surface, frame


def textured(name: str, label: str, image: Any, roughness: float, metallic: float) -> Any:
    """A material with `image` as base colour through the UV map of the result.

    roughness, metallic: 0..1.
    """
    material, surface, frame = _principled(name, label)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    picture = nodes.new("ShaderNodeTexImage")
    picture.label = "Base colour"
    picture.image = image
    picture.location = (-320.0, 0.0)
    coordinates = nodes.new("ShaderNodeUVMap")
    coordinates.uv_map = UV_NAME
    coordinates.location = (-540.0, -120.0)
    for node in (picture, coordinates):
        node.parent = frame
    links.new(coordinates.outputs["UV"], picture.inputs["Vector"])
    links.new(picture.outputs["Color"], compat.socket(surface.inputs, "Base Color"))
    compat.socket(surface.inputs, "Roughness").default_value = roughness
    compat.socket(surface.inputs, "Metallic").default_value = metallic
    material.roughness = roughness  # these two are what Solid shading shows
    material.metallic = metallic
    nodes.active = picture  # Texture Paint and Solid shading with textures look at the active node
    return material


def preview(name: str) -> Any:
    """A matt material that shows the preview's colour attribute."""
    material, surface, frame = _principled(name, "Maquette preview")
    nodes, links = material.node_tree.nodes, material.node_tree.links
    colour = nodes.new("ShaderNodeVertexColor")
    colour.layer_name = PREVIEW_COLOUR
    colour.parent = frame
    colour.location = (-240.0, 0.0)
    links.new(colour.outputs["Color"], compat.socket(surface.inputs, "Base Color"))
    compat.socket(surface.inputs, "Roughness").default_value = 0.8
    return material
