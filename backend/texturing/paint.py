# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with UVs and a sentence become a texture: the one door to view painting.

Passes follow each other, each with its own prior: a broad one lays out colours and patterns from noise or from what is
there, a sharp one of higher resolution draws the details. Both denoise all views together; the last pictures are
projected to the texels, the unseen ones continued over the surface, and the charts get their margins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.geometry.bake import TexelMap, dilate, texel_map, to_bytes
from backend.geometry.mesh import Mesh
from backend.priors.base import Prior
from backend.priors.prompts import PromptBook
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser
from backend.texturing.canvas import make_canvas
from backend.texturing.fill import fill
from backend.texturing.projection import Projector
from backend.texturing.textured import texture_at
from backend.texturing.together import Denoising, Tell, denoise_together

FINAL_EXPONENT = 8.0  # a texel is almost wholly the business of the view that sees it best
FINEST = 640  # samples along a side that a canvas is rasterised at, at most


@dataclass(frozen=True)
class Pass:
    """One prior's turn: the prompt in its language and how it denoises."""

    prior: Prior
    book: PromptBook
    denoising: Denoising


@dataclass(frozen=True, eq=False)
class PaintedTexture:
    """image (S, S, 3) uint8 sRGB, every texel filled; pictures (B, 4, s, s), the last that the prior drew, for people;
    report: plain values: views, texels, the share of them that some view saw, priors."""

    image: NDArray[np.uint8]
    pictures: Tensor
    report: dict[str, Any]


def paint(
    mesh: Mesh,
    cameras: Cameras,
    passes: Sequence[Pass],
    texture_size: int,
    rasteriser: Rasteriser,
    generator: torch.Generator,
    tell: Tell,
    *,
    start: NDArray[np.floating] | None = None,
    texels: TexelMap | None = None,
) -> PaintedTexture:
    """Paints a mesh.

    Args:
        mesh: with UVs, in the world of the cameras.
        cameras: the rig; its picture size does not matter.
        passes: at least one; each goes on from what the one before it left.
        texture_size: side in texels.
        generator: a CPU generator; the same one in the same state gives the same texture.
        tell: told about progress; may raise Cancelled.
        start: (H, W, 3) in 0..1, colours to begin with, on the mesh's UVs; without it the first pass begins in grey
            (and should begin at full noise).
        texels: of this mesh at this size, where they are known already.

    Raises:
        ValueError: no UVs, no pass, or no camera sees the object.
    """
    if mesh.uvs is None or not passes:
        raise ValueError("painting needs a mesh with UVs and at least one pass")
    device = cameras.device
    vertices = torch.from_numpy(mesh.vertices).to(device)
    faces = torch.from_numpy(mesh.faces).to(device)
    pictures: Tensor | None = None
    for number, one in enumerate(passes):
        size = one.prior.traits.resolution
        canvas = make_canvas(vertices, faces, cameras.resized(size, size), rasteriser, max(2, min(4, FINEST // size)))
        colours = None
        if pictures is not None:
            colours = canvas.gather(pictures, one.denoising.exponent[1])
        elif start is not None:
            colours = canvas.average(texture_at(mesh, start, canvas.face, canvas.barycentric))

        def told(share: float, message: str, number: int = number, name: str = one.prior.traits.name) -> None:
            tell(0.9 * (number + share) / len(passes), f"{name}, {message}")

        pictures = denoise_together(one.prior, one.book, canvas, one.denoising, colours, generator, told)
    assert pictures is not None
    tell(0.9, "projecting the views")
    texels = texel_map(mesh, texture_size) if texels is None else texels
    projector = Projector(texels, vertices, faces, cameras, rasteriser)
    projected = projector.project(pictures, FINAL_EXPONENT)
    tell(0.95, "filling what no view saw")
    values = fill(texels.points, texels.normals, projected.values, projected.seen)
    image = dilate(texels.picture(values), texels.mask)
    seen = float(projected.seen.mean()) if len(projected.seen) else 0.0
    report = {"views": len(cameras), "texels": len(values), "seen": round(seen, 4),
              "priors": [one.prior.traits.name for one in passes]}
    return PaintedTexture(to_bytes(image), pictures, report)

