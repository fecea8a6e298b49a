# SPDX-License-Identifier: GPL-3.0-or-later
"""A textured mesh before cameras: lookups on its UVs, and its pictures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from backend.geometry.mesh import Mesh, vertex_normals
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser


def texture_at(mesh: Mesh, picture: NDArray[np.floating], face: Tensor, barycentric: Tensor) -> Tensor:
    """Colours (N, C) of a texture (H, W, C) in 0..1, bilinearly, where face (N,) and barycentric (N, 3) say."""
    if mesh.uvs is None:
        raise ValueError("this mesh has no UVs, so no texture can be looked up on it")
    corners = torch.from_numpy(mesh.uvs).to(barycentric).view(-1, 3, 2)
    uv = (corners[face.long()] * barycentric[..., None]).sum(1)
    place = torch.stack([uv[:, 0] * 2 - 1, 1 - uv[:, 1] * 2], -1)[None, None]
    texture = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).to(barycentric).permute(2, 0, 1)[None]
    return functional.grid_sample(texture, place, padding_mode="border", align_corners=False)[0, :, 0].T


@torch.no_grad()
def pictures_of(
    mesh: Mesh, picture: NDArray[np.floating], cameras: Cameras, rasteriser: Rasteriser, finer: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """(colour (B, 3, H, W) premultiplied, coverage (B, 1, H, W), normal (B, 3, H, W) in the world, premultiplied) of a
    mesh with its texture (H, W, 3) in 0..1, antialiased by `finer` samples along each side of a pixel."""
    vertices = torch.from_numpy(mesh.vertices).to(cameras.device)
    faces = torch.from_numpy(mesh.faces).to(cameras.device)
    fragments = rasteriser.rasterise(vertices, faces, cameras.resized(cameras.width * finer, cameras.height * finer))
    mask = fragments.mask
    normals = torch.from_numpy(vertex_normals(mesh.vertices, mesh.faces)).to(vertices)
    colour = torch.zeros(*mask.shape, 3, device=vertices.device)
    colour[mask] = texture_at(mesh, picture, fragments.face[mask], fragments.barycentric[mask])
    layers = torch.cat([colour, mask[..., None].float(), rasteriser.interpolate(normals, faces, fragments)], -1)
    small = functional.avg_pool2d(layers.permute(0, 3, 1, 2), finer)
    return small[:, :3], small[:, 3:4], small[:, 4:]
