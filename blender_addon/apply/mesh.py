# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays -> `bpy.types.Mesh`, by the fast path that `reference/blender-addon.md`, section 4 measured.

Checks what a peer sent before Blender sees it: an index out of range would crash Blender, not raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from .. import compat

UV_NAME = "UVMap"


class BrokenMesh(ValueError):
    """The arrays do not describe a mesh; the text says which array and why."""


@dataclass(frozen=True)
class MeshArrays:
    """A triangle mesh as the wire brings it, checked.

    vertices (V, 3) float32 metres; faces (F, 3) int32, counter-clockwise from outside; uvs (3F, 2) float32 or None;
    edges (E, 2) int32 and corner_edges (3F,) int32, or both None (Blender then finds the edges itself, 6x slower).
    """

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray | None = None
    edges: np.ndarray | None = None
    corner_edges: np.ndarray | None = None

    @classmethod
    def from_result(cls, arrays: dict[str, np.ndarray]) -> MeshArrays:
        """Take the mesh out of a result; raises BrokenMesh."""
        for name in ("vertices", "faces"):
            if name not in arrays:
                raise BrokenMesh(f"the result has no array called {name}")
        vertices = _exact(arrays, "vertices", np.float32, (-1, 3))
        faces = _exact(arrays, "faces", np.int32, (-1, 3))
        corners = faces.size
        uvs = _exact(arrays, "uvs", np.float32, (corners, 2)) if "uvs" in arrays else None
        edges = corner_edges = None
        if "edges" in arrays and "corner_edges" in arrays:
            edges = _exact(arrays, "edges", np.int32, (-1, 2))
            corner_edges = _exact(arrays, "corner_edges", np.int32, (corners,))
        return cls(vertices, faces, uvs, edges, corner_edges)

    def __post_init__(self) -> None:
        if len(self.vertices) == 0 or len(self.faces) == 0:
            raise BrokenMesh("the result is empty: it has no faces")
        if not np.isfinite(self.vertices).all():
            raise BrokenMesh("vertices holds numbers that are not finite")
        if self.uvs is not None and not np.isfinite(self.uvs).all():
            raise BrokenMesh("uvs holds numbers that are not finite")
        _check_range("faces", self.faces, len(self.vertices))
        if self.edges is not None and self.corner_edges is not None:
            _check_range("edges", self.edges, len(self.vertices))
            _check_range("corner_edges", self.corner_edges, len(self.edges))
            if not _corners_lie_on_edges(self.faces, self.edges, self.corner_edges):
                raise BrokenMesh("corner_edges names an edge that does not start at its corner")


def _exact(arrays: dict[str, np.ndarray], name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """The array with exactly this dtype and shape (-1: any), C-contiguous; it is never converted in silence."""
    array = arrays[name]
    matches = array.ndim == len(shape) and all(want in (-1, got) for want, got in zip(shape, array.shape, strict=False))
    if array.dtype != dtype or not matches:
        wanted = " x ".join("any" if size == -1 else str(size) for size in shape)
        raise BrokenMesh(f"{name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {wanted}")
    return np.ascontiguousarray(array)


def _check_range(name: str, indices: np.ndarray, limit: int) -> None:
    if indices.size and (int(indices.min()) < 0 or int(indices.max()) >= limit):
        raise BrokenMesh(f"{name} points at {int(indices.min())}..{int(indices.max())}, outside 0..{limit - 1}")


def _corners_lie_on_edges(faces: np.ndarray, edges: np.ndarray, corner_edges: np.ndarray) -> bool:
    """Does the edge of every corner join that corner's vertex with the next one of the face?"""
    first, second = np.ascontiguousarray(edges[:, 0]), np.ascontiguousarray(edges[:, 1])  # twice as fast to pick from
    for corner in range(3):
        start, end, edge = faces[:, corner], faces[:, (corner + 1) % 3], corner_edges[corner::3]
        a, b = first.take(edge), second.take(edge)
        if not (((a == start) & (b == end)) | ((a == end) & (b == start))).all():
            return False
    return True


def build_mesh(
    name: str, arrays: MeshArrays, sharp_angle: float | None = None, vertices: np.ndarray | None = None
) -> Any:
    """A new `bpy.types.Mesh` called `name` (or name.001) with smooth normals and, when given, one UV map.

    vertices: in place of those of `arrays`, the same number, for example in other units.
    sharp_angle: radians; edges between faces that meet at more than that stay sharp.
    """
    mesh = bpy.data.meshes.new(name)
    points = arrays.vertices if vertices is None else vertices
    compat.write_geometry(mesh, points, arrays.faces, arrays.edges, arrays.corner_edges)
    if arrays.uvs is not None:
        compat.write_uvs(mesh, UV_NAME, arrays.uvs)
    compat.shade_smooth(mesh, sharp_angle)
    return mesh
