# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished mesh in front of the benchmark's cameras: normalised, textured, rendered by the backend's own rasteriser.

Delivered meshes are in metres and stand on the ground; here they are brought back into the frame in which the truth
lives (centre of the bounding box at the origin, bounding sphere of radius 0.9), without turning them: which side is the
front is one of the things that are measured.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from backend.geometry.mesh import vertex_normals
from backend.render.cameras import Cameras
from backend.render.lighting import shade
from backend.render.raster import WarpRasteriser

RADIUS = 0.9
"""Bounding-sphere radius of a normalised object, in field units."""

OVERSAMPLE = 3
"""Samples along each side of a pixel."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A coloured mesh in the normalised frame.

    vertices (V, 3) float32; faces (F, 3) int32; and either colours (V, 3) float32 sRGB in 0..1, or uvs (3F, 2) float32,
    v up, with texture (H, W, 3) float32 sRGB in 0..1, top row first.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray | None = None
    uvs: np.ndarray | None = None
    texture: np.ndarray | None = None

    def __post_init__(self) -> None:
        if (self.colours is None) == (self.uvs is None or self.texture is None):
            raise ValueError("a subject has either vertex colours or UVs and a texture")
        if not len(self.faces):
            raise ValueError("a subject without faces cannot be seen")


def normalised(vertices: np.ndarray, radius: float = RADIUS) -> np.ndarray:
    """Vertices (V, 3) float32 centred at their bounding box's centre, the farthest at `radius` from it."""
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2.0
    moved = vertices.astype(np.float64) - centre
    farthest = np.linalg.norm(moved, axis=1).max()
    if farthest <= 0:
        raise ValueError("all vertices are in one place")
    return (moved * (radius / farthest)).astype(np.float32)


def from_result(arrays: Mapping[str, np.ndarray]) -> Subject:
    """The subject of a mesh job's result (see `backend.jobs.results.MeshResult`)."""
    texture = Image.open(io.BytesIO(np.asarray(arrays["base_colour"], dtype=np.uint8).tobytes())).convert("RGB")
    return Subject(
        normalised(arrays["vertices"]),
        np.ascontiguousarray(arrays["faces"], dtype=np.int32),
        uvs=np.ascontiguousarray(arrays["uvs"], dtype=np.float32),
        texture=np.asarray(texture, dtype=np.float32) / 255.0,
    )


def pictures(subject: Subject, cameras: Cameras, light: torch.Tensor | None = None) -> np.ndarray:
    """(B, H, W, 4) float32 straight-alpha sRGB pictures, antialiased by oversampling.

    light: (B, 3) unit vectors in the world towards a light; zero rows, or None, give plain albedo.
    """
    finer = cameras.resized(cameras.width * OVERSAMPLE, cameras.height * OVERSAMPLE)
    vertices, faces = torch.from_numpy(subject.vertices), torch.from_numpy(subject.faces)
    rasteriser = WarpRasteriser()
    with torch.no_grad():
        fragments = rasteriser.rasterise(vertices, faces, finer)
        if subject.colours is not None:
            colour = rasteriser.interpolate(torch.from_numpy(subject.colours), faces, fragments)
        else:
            colour = _textured(subject, fragments.face, fragments.barycentric)
        if light is not None:
            normals = torch.from_numpy(vertex_normals(subject.vertices, subject.faces))
            normal = rasteriser.interpolate(normals, faces, fragments)
            lit = (light.square().sum(dim=-1) > 0.25)[:, None, None, None]
            colour = torch.where(lit, shade(colour, normal, light), colour)
        alpha = fragments.mask[..., None].float()
        together = torch.cat([colour * alpha, alpha], dim=-1).permute(0, 3, 1, 2)
        small = functional.avg_pool2d(together, OVERSAMPLE).permute(0, 2, 3, 1)
        colour = small[..., :3] / small[..., 3:].clamp_min(1e-6)
    return torch.cat([colour, small[..., 3:]], dim=-1).numpy()


def _textured(subject: Subject, face: torch.Tensor, barycentric: torch.Tensor) -> torch.Tensor:
    """Texture colours (B, H, W, 3) where faces are seen, zero elsewhere."""
    assert subject.uvs is not None and subject.texture is not None
    corners = torch.from_numpy(subject.uvs).view(-1, 3, 2)
    seen = face >= 0
    uv = (corners[face[seen].long()] * barycentric[seen][..., None]).sum(dim=1)
    place = torch.stack([uv[:, 0] * 2.0 - 1.0, 1.0 - uv[:, 1] * 2.0], dim=-1)  # row 0 of the image is v = 1
    texture = torch.from_numpy(subject.texture).permute(2, 0, 1)[None]
    found = functional.grid_sample(texture, place[None, None], padding_mode="border", align_corners=False)[0, :, 0].T
    colour = torch.zeros(*face.shape, 3)
    colour[seen] = found
    return colour
