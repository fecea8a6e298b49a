# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a textured mesh: rasterise, look colours up at the surface points, antialias.

The counterpart of `backend.render.volume` for the fine stage; it returns the same kind of images. Gradients reach the
vertices through colours, normals and silhouettes, and the colour field's parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from backend.render.antialias import EdgeTopology
from backend.render.cameras import Cameras
from backend.render.lighting import AMBIENT, shade
from backend.render.raster import Fragments, Rasteriser


@dataclass(frozen=True)
class SurfaceRender:
    """colour (B, H, W, 3) sRGB, premultiplied, albedo or lit; opacity (B, H, W, 1) with smooth silhouettes; normal
    (B, H, W, 3) unit vectors in the world, zero where nothing is seen; fragments behind them."""

    colour: torch.Tensor
    opacity: torch.Tensor
    normal: torch.Tensor
    fragments: Fragments

    def over(self, background: torch.Tensor | float) -> torch.Tensor:
        """Colour (B, H, W, 3) in front of a background that broadcasts to it."""
        return self.colour + (1.0 - self.opacity) * background


def render_surface(
    vertices: torch.Tensor,
    faces: torch.Tensor,
    normals: torch.Tensor,
    colour: Callable[[torch.Tensor], torch.Tensor],
    cameras: Cameras,
    rasteriser: Rasteriser,
    *,
    light: torch.Tensor | None = None,
    ambient: torch.Tensor | float = AMBIENT,
    topology: EdgeTopology | None = None,
) -> SurfaceRender:
    """Renders a mesh: vertices (V, 3), faces (F, 3) int32, vertex normals (V, 3), colour: points (N, 3) to sRGB (N, 3).

    light: unit vectors (B, 3) in the world towards the light for shaded pictures; None for albedo. ambient: scalar or
    (B,).
    """
    fragments = rasteriser.rasterise(vertices, faces, cameras)
    mask = fragments.mask
    surface = rasteriser.interpolate(torch.cat([vertices, normals], 1), faces, fragments)
    positions, normal = surface[..., :3], torch.nn.functional.normalize(surface[..., 3:], dim=-1, eps=1e-8)
    places = mask.view(-1).nonzero().view(-1)
    seen = colour(positions.reshape(-1, 3)[places])
    albedo = seen.new_zeros((mask.numel(), 3)).index_copy(0, places, seen).view(*mask.shape, 3)
    if light is not None:
        albedo = shade(albedo, normal, light, ambient) * mask[..., None]
    image = torch.cat([albedo, mask[..., None].to(albedo.dtype)], -1)
    image = rasteriser.antialias(image, fragments, vertices, faces, cameras, topology)
    return SurfaceRender(image[..., :3], image[..., 3:], normal, fragments)
