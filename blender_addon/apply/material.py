# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials: a Principled surface that an artist can go on editing, for results and for previews.

Nothing stands between the picture and Base Colour, so that exporters find it; everything made here sits in a labelled
frame.
"""

from __future__ import annotations

import contextlib
from typing import Any

import bpy

from .. import compat
from .image import BrokenImage, mean_colour
from .mesh import UV_NAME

PREVIEW_COLOUR = "Colour"
"""Name of the colour attribute that preview meshes carry."""
COLOUR_OUTPUT = "Colour"
"""Name of the node group's output."""
MADE = "maquette_made"
"""Custom property of the materials that come from here, which later results may change."""


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


def textured(name: str, label: str, image: Any, roughness: float, metallic: float, uv_name: str = UV_NAME) -> Any:
    """A material with `image` as base colour through one UV map.

    The picture and its coordinates are in a node group that feeds a plain Principled surface: Tab opens it, and other
    materials can use it too. Before Blender 4.0 exporters do not look into groups, so there the nodes lie open.
    roughness, metallic: 0..1. uv_name: of the UV map.
    """
    material, surface, frame = _principled(name, label)
    material[MADE] = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    if compat.exporters_see_groups():
        group = bpy.data.node_groups.new(name, "ShaderNodeTree")
        compat.new_output(group, COLOUR_OUTPUT, "NodeSocketColor")
        inside = group.nodes.new("NodeGroupOutput")
        picture = _picture(group.nodes, group.links, image, uv_name)
        group.links.new(picture.outputs["Color"], inside.inputs[COLOUR_OUTPUT])
        inside.location = (40.0, 0.0)
        group.nodes.active = picture
        source = nodes.new("ShaderNodeGroup")
        source.node_tree = group
        source.label = label
        source.location = (-260.0, 0.0)
        source.parent = frame
        links.new(source.outputs[COLOUR_OUTPUT], compat.socket(surface.inputs, "Base Color"))
    else:
        source = _picture(nodes, links, image, uv_name)
        source.parent = frame
        links.new(source.outputs["Color"], compat.socket(surface.inputs, "Base Color"))
    compat.socket(surface.inputs, "Roughness").default_value = roughness
    compat.socket(surface.inputs, "Metallic").default_value = metallic
    material.roughness = roughness  # these two are what Solid shading shows
    material.metallic = metallic
    nodes.active = source  # Texture Paint and Solid shading with textures look at the active node
    return material


def show_in_solid(material: Any, thumbnail: Any) -> None:
    """Give the material the colour that Solid shading shows, which knows no textures: that of the result's picture.

    thumbnail: PNG bytes, None where there is none; a picture that is none changes nothing.
    """
    if thumbnail is None:
        return
    with contextlib.suppress(BrokenImage):
        colour = mean_colour(thumbnail)
        if colour is not None:
            material.diffuse_color = colour


def with_maps(material: Any, maps: dict[str, Any], uv_name: str = UV_NAME) -> Any:
    """The material with pictures of what its surface is like, beside the colour's nodes and open to edit.

    maps: "roughness", "metallic" -> an image of data (not of colour) on the UV map `uv_name`.
    """
    nodes, links = material.node_tree.nodes, material.node_tree.links
    surface = next(node for node in nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    chosen = nodes.active
    for place, (name, image) in enumerate(sorted(maps.items())):
        picture = _picture(nodes, links, image, uv_name)
        picture.label = name.capitalize()
        picture.location = (-320.0, -300.0 * (place + 1))
        links.new(picture.outputs["Color"], compat.socket(surface.inputs, name.capitalize()))
    nodes.active = chosen  # the colour stays what Texture Paint paints on
    return material


def values(report: dict[str, Any]) -> tuple[float, float]:
    """Roughness and metallic that a result's report asks for, 0..1 each."""
    wanted = report.get("material", {})
    roughness, metallic = (float(wanted.get(name, start)) for name, start in (("roughness", 0.6), ("metallic", 0.0)))
    return min(max(roughness, 0.0), 1.0), min(max(metallic, 0.0), 1.0)


def _picture(nodes: Any, links: Any, image: Any, uv_name: str) -> Any:
    """The image node of `image`, fed by the UV map called `uv_name`."""
    picture = nodes.new("ShaderNodeTexImage")
    picture.label = "Base colour"
    picture.image = image
    picture.location = (-320.0, 0.0)
    coordinates = nodes.new("ShaderNodeUVMap")
    coordinates.uv_map = uv_name
    coordinates.location = (-540.0, -120.0)
    coordinates.parent = picture.parent
    links.new(coordinates.outputs["UV"], picture.inputs["Vector"])
    return picture


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
