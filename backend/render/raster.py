# SPDX-License-Identifier: GPL-3.0-or-later
"""Differentiable rasterising of triangle meshes, behind one interface with two backends.

`WarpRasteriser` is ours and runs everywhere. `NvdiffrastRasteriser` uses NVIDIA's nvdiffrast where it is installed and
CUDA is in use; its licence allows research and evaluation only, so it is never required and never imported before it
is chosen. Both return the same `Fragments`; barycentrics are always recomputed here, so gradients reach the vertices in
the same way.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from backend.kernels import rasterise as kernels
from backend.render.antialias import EdgeTopology, edge_topology
from backend.render.antialias import antialias as blend_silhouettes
from backend.render.cameras import Cameras


@dataclass(frozen=True)
class Fragments:
    """What each pixel of B views sees.

    face (B, H, W) int32, -1 where nothing is. barycentric (B, H, W, 3) and depth (B, H, W), the distance along the view
    axis, are differentiable in the vertices and zero where nothing is. camera_vertices (B, V, 3): the vertices in each
    camera's frame.
    """

    face: torch.Tensor
    barycentric: torch.Tensor
    depth: torch.Tensor
    camera_vertices: torch.Tensor

    @property
    def mask(self) -> torch.Tensor:
        """(B, H, W) bool: where a surface is seen."""
        return self.face >= 0


class Rasteriser(Protocol):
    """Turns meshes into images. vertices (V, 3) float32, faces (F, 3) int32, all on the cameras' device."""

    def rasterise(self, vertices: torch.Tensor, faces: torch.Tensor, cameras: Cameras) -> Fragments:
        """The nearest face at each pixel centre; both sides of a face are seen."""

    def interpolate(self, attributes: torch.Tensor, faces: torch.Tensor, fragments: Fragments) -> torch.Tensor:
        """Per-vertex attributes (V, C) at the pixels: (B, H, W, C), zero where nothing is seen."""

    def antialias(
        self,
        image: torch.Tensor,
        fragments: Fragments,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        cameras: Cameras,
        topology: EdgeTopology | None = None,
    ) -> torch.Tensor:
        """`image` (B, H, W, C) with silhouettes blended, differentiable in the vertices. A topology from
        `edge_topology(faces)` saves finding the edges again when faces stay the same."""


class WarpRasteriser:
    """Our own rasteriser: Warp kernels, CPU and CUDA."""

    def rasterise(self, vertices: torch.Tensor, faces: torch.Tensor, cameras: Cameras) -> Fragments:
        _check(vertices, faces)
        camera_vertices = to_camera_vertices(vertices, cameras)
        tangents = _tangents(cameras)
        with torch.no_grad():
            face = kernels.scan(camera_vertices.detach(), faces, tangents, cameras.width, cameras.height)
        barycentric, depth = kernels.barycentrics(camera_vertices, faces, face, tangents)
        return Fragments(face, barycentric, depth, camera_vertices)

    def interpolate(self, attributes: torch.Tensor, faces: torch.Tensor, fragments: Fragments) -> torch.Tensor:
        return interpolate(attributes, faces, fragments)

    def antialias(
        self,
        image: torch.Tensor,
        fragments: Fragments,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        cameras: Cameras,
        topology: EdgeTopology | None = None,
    ) -> torch.Tensor:
        return antialias(image, fragments, faces, cameras, topology)


class NvdiffrastRasteriser:
    """nvdiffrast (CUDA only). Licence: NVIDIA Source Code License, research and evaluation use only; tell the user."""

    def __init__(self, device: torch.device) -> None:
        self._dr: Any = importlib.import_module("nvdiffrast.torch")
        self._context = self._dr.RasterizeCudaContext(device=device)

    def rasterise(self, vertices: torch.Tensor, faces: torch.Tensor, cameras: Cameras) -> Fragments:
        _check(vertices, faces)
        camera_vertices = to_camera_vertices(vertices, cameras)
        size = (cameras.height, cameras.width)
        with torch.no_grad():
            raster, _ = self._dr.rasterize(self._context, cameras.to_clip(vertices).contiguous(), faces, size)
        # nvdiffrast's first row is the bottom one, its face numbers start at 1.
        face = (raster[..., 3].to(torch.int32) - 1).flip(1).contiguous()
        barycentric, depth = kernels.barycentrics(camera_vertices, faces, face, _tangents(cameras))
        return Fragments(face, barycentric, depth, camera_vertices)

    def interpolate(self, attributes: torch.Tensor, faces: torch.Tensor, fragments: Fragments) -> torch.Tensor:
        return interpolate(attributes, faces, fragments)

    def antialias(
        self,
        image: torch.Tensor,
        fragments: Fragments,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        cameras: Cameras,
        topology: EdgeTopology | None = None,
    ) -> torch.Tensor:
        clip = cameras.to_clip(vertices).contiguous()
        corners = fragments.barycentric[..., :2]
        # Its own raster format: two barycentrics, z/w, face + 1. Depth decides which side of a pair is nearer.
        clip_depth = _clip_depth(cameras, fragments)
        number = (fragments.face + 1).to(corners.dtype)
        raster = torch.cat([corners, clip_depth[..., None], number[..., None]], -1).flip(1).contiguous()
        return self._dr.antialias(image.flip(1).contiguous(), raster.detach(), clip, faces).flip(1)


def choose_rasteriser(device: torch.device) -> Rasteriser:
    """nvdiffrast where it is installed and `device` is CUDA, else our own."""
    if device.type == "cuda" and importlib.util.find_spec("nvdiffrast") is not None:
        return NvdiffrastRasteriser(device)
    return WarpRasteriser()


def interpolate(attributes: torch.Tensor, faces: torch.Tensor, fragments: Fragments) -> torch.Tensor:
    """Per-vertex attributes (V, C) at the pixels of `fragments`: (B, H, W, C), zero where nothing is seen."""
    if attributes.ndim != 2:
        raise ValueError(f"interpolate: attributes must be (V, C), not {tuple(attributes.shape)}")
    return kernels.interpolate(attributes.float(), faces, fragments.face, fragments.barycentric)


def antialias(
    image: torch.Tensor,
    fragments: Fragments,
    faces: torch.Tensor,
    cameras: Cameras,
    topology: EdgeTopology | None = None,
) -> torch.Tensor:
    """Our own silhouette step; see `Rasteriser.antialias`. The vertices are those that made the fragments."""
    if image.shape[:3] != fragments.face.shape:
        raise ValueError(f"antialias: image {tuple(image.shape)} does not fit fragments {tuple(fragments.face.shape)}")
    topology = edge_topology(faces) if topology is None else topology
    return blend_silhouettes(
        image, fragments.camera_vertices, faces, topology, _tangents(cameras), fragments.face, fragments.depth
    )


def to_camera_vertices(vertices: torch.Tensor, cameras: Cameras) -> torch.Tensor:
    """World vertices (V, 3) in each camera's frame (B, V, 3); differentiable."""
    matrix = cameras.world_to_camera()
    return vertices @ matrix[:, :3, :3].transpose(1, 2) + matrix[:, None, :3, 3]


def _tangents(cameras: Cameras) -> torch.Tensor:
    return torch.tan(0.5 * cameras.fov_y).contiguous()


def _clip_depth(cameras: Cameras, fragments: Fragments) -> torch.Tensor:
    """Normalised device depth (B, H, W) of the fragments in `Cameras.projection`."""
    matrix = cameras.projection()
    slope, shift = matrix[:, 2, 2, None, None], matrix[:, 2, 3, None, None]
    return torch.where(fragments.mask, -slope + shift / fragments.depth.clamp_min(1e-6), 0.0)


def _check(vertices: torch.Tensor, faces: torch.Tensor) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or vertices.dtype != torch.float32:
        raise ValueError(f"rasterise: vertices must be (V, 3) float32, not {tuple(vertices.shape)} {vertices.dtype}")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype != torch.int32 or not faces.is_contiguous():
        raise ValueError(f"rasterise: faces must be contiguous (F, 3) int32, not {tuple(faces.shape)} {faces.dtype}")
