# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes: filling them, reading them, their UV maps and normals."""

from __future__ import annotations

from typing import Any

import numpy as np


def write_geometry(
    mesh: Any,
    vertices: np.ndarray,
    faces: np.ndarray,
    edges: np.ndarray | None,
    corner_edges: np.ndarray | None,
) -> None:
    """Fill an empty mesh with triangles.

    vertices: (V, 3) float32; faces: (F, 3) int32; edges: (E, 2) int32 and corner_edges: (3F,) int32, both or neither:
    edges without the edge of each corner make a mesh that Blender later calls broken.
    All arrays are C-contiguous, so that Blender copies them through the buffer protocol.
    """
    mesh.vertices.add(len(vertices))
    mesh.loops.add(faces.size)
    mesh.polygons.add(len(faces))
    if len(faces) == 0:
        mesh.update()
        return
    corner = mesh.attributes.get(".corner_vert")
    if corner is not None:
        mesh.attributes["position"].data.foreach_set("vector", vertices.ravel())
        corner.data.foreach_set("value", faces.ravel())
    else:  # before 3.6 corners and positions are structures, not attributes
        mesh.vertices.foreach_set("co", vertices.ravel())
        mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    if corner is None:
        mesh.polygons.foreach_set("loop_total", np.full(len(faces), 3, dtype=np.int32))
    if edges is None or corner_edges is None or corner is None:
        mesh.update(calc_edges=True)
        return
    mesh.edges.add(len(edges))
    mesh.attributes[".edge_verts"].data.foreach_set("value", edges.ravel())
    attribute = mesh.attributes.get(".corner_edge") or mesh.attributes.new(".corner_edge", "INT", "CORNER")
    attribute.data.foreach_set("value", corner_edges)
    mesh.update()


def write_positions(mesh: Any, vertices: np.ndarray) -> None:
    """Move the vertices of a mesh whose topology stays as it is; vertices: (V, 3) float32."""
    attribute = mesh.attributes.get("position")
    if attribute is not None:
        attribute.data.foreach_set("vector", vertices.ravel())
    else:
        mesh.vertices.foreach_set("co", vertices.ravel())
    mesh.update()


def read_positions(mesh: Any) -> np.ndarray:
    """The vertices of a mesh, (V, 3) float32."""
    vertices = np.empty((len(mesh.vertices), 3), np.float32)
    attribute = mesh.attributes.get("position")
    if attribute is not None:
        attribute.data.foreach_get("vector", vertices.ravel())
    else:
        mesh.vertices.foreach_get("co", vertices.ravel())
    return vertices


def read_uvs(mesh: Any, layer: Any) -> np.ndarray:
    """A UV map's coordinates, (corners, 2) float32."""
    uvs = np.empty((len(mesh.loops), 2), np.float32)
    if hasattr(layer, "uv"):
        layer.uv.foreach_get("vector", uvs.ravel())
    else:  # 3.4
        layer.data.foreach_get("uv", uvs.ravel())
    return uvs


def write_uvs(mesh: Any, name: str, uvs: np.ndarray) -> str:
    """Add a UV map and return its name; uvs: (corners, 2) float32, v up."""
    layer = mesh.uv_layers.new(name=name, do_init=False)
    if hasattr(layer, "uv"):
        layer.uv.foreach_set("vector", uvs.ravel())
    else:  # 3.4
        layer.data.foreach_set("uv", uvs.ravel())
    return str(layer.name)


def shade_smooth(mesh: Any, sharp_angle: float | None) -> None:
    """Smooth normals; edges whose faces meet at more than sharp_angle (radians) stay sharp, None: no edge does.

    For a mesh that was just filled: since 4.1 its faces are smooth already, and saying so again would
    cost as much as filling it.
    """
    if hasattr(mesh, "set_sharp_from_angle"):  # 4.1
        if "sharp_face" in mesh.attributes:
            mesh.attributes.remove(mesh.attributes["sharp_face"])
        if sharp_angle is not None:
            mesh.set_sharp_from_angle(angle=sharp_angle)
    else:
        mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), dtype=bool))
        if sharp_angle is not None:
            mesh.use_auto_smooth = True
            mesh.auto_smooth_angle = sharp_angle
    mesh.update()
