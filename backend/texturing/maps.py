# SPDX-License-Identifier: GPL-3.0-or-later
"""Roughness and metallic maps of a painted mesh: its pictures, read view by view, projected back to the texels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from backend.geometry.bake import texel_map
from backend.geometry.mesh import Mesh, face_normals
from backend.priors.base import GREY
from backend.render.cameras import Cameras
from backend.render.lighting import shade
from backend.render.raster import Rasteriser
from backend.texturing.painted import Painted
from backend.texturing.projection import Projector
from backend.texturing.textured import pictures_of

PIXELS = 512  # side of the pictures that are read
EXPONENT = 8.0  # as of the base colour's last projection
NAMES = ("roughness", "metallic")
LIGHT = (0.35, 0.45, 0.82)  # towards the light in the camera's frame: readers expect photographs, so pictures are lit


class Reader(Protocol):
    """What reads a picture (3, H, W) in 0..1; see `backend.priors.surfaces.SurfaceReader`."""

    def read(self, picture: Tensor, seed: int) -> dict[str, Tensor]: ...


def read_maps(
    mesh: Mesh, image: NDArray[np.uint8], cameras: Cameras, rasteriser: Rasteriser, reader: Reader, seed: int,
    tell: Callable[[float, str], None], two_sided: bool = False,
) -> dict[str, NDArray[np.uint8]]:
    """{'roughness': (S, S), 'metallic': (S, S)} uint8, every texel filled, of a mesh with UVs and its base colour
    (S, S, 3). `tell` reports and may raise Cancelled."""
    size = cameras.resized(PIXELS, PIXELS)
    colour, alpha, normal = pictures_of(mesh, image / 255.0, size, rasteriser)
    lights = torch.einsum("bij,j->bi", size.camera_to_world[:, :3, :3], torch.tensor(LIGHT, device=size.device))
    plain = (colour / alpha.clamp_min(1e-6)).permute(0, 2, 3, 1)
    facing = functional.normalize(normal, dim=1, eps=1e-6).permute(0, 2, 3, 1)
    lit = shade(plain, facing, functional.normalize(lights, dim=-1)).permute(0, 3, 1, 2) * alpha + (1 - alpha)
    pictures = []
    for view in range(len(cameras)):
        tell(0.9 * view / len(cameras), f"reading view {view + 1} of {len(cameras)}")
        found = reader.read(lit[view], seed)
        layers = torch.stack([found[name].to(alpha) for name in NAMES] + [torch.zeros_like(alpha[view, 0])])
        pictures.append(torch.cat([layers * alpha[view] + GREY * (1 - alpha[view]), alpha[view]]))
    tell(0.92, "projecting the views")
    texels = texel_map(mesh, image.shape[0])
    flat = face_normals(mesh.vertices, mesh.faces)[texels.face].astype(np.float32)
    vertices, faces = (torch.from_numpy(part).to(cameras.device) for part in (mesh.vertices, mesh.faces))
    projector = Projector(texels.points, texels.normals, flat, vertices, faces, cameras, rasteriser, two_sided)
    painted = Painted(mesh, texels, None)
    painted.take(projector.project(torch.stack(pictures), EXPONENT))
    finished = painted.finished()
    return {name: np.ascontiguousarray(finished[..., channel]) for channel, name in enumerate(NAMES)}
