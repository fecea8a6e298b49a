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

from backend.geometry.bake import TexelMap, texel_map
from backend.geometry.mesh import Mesh, face_normals
from backend.priors.base import Prior
from backend.priors.prompts import PromptBook
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser
from backend.texturing.canvas import NothingSeen, make_canvas
from backend.texturing.glimpses import add_glimpses
from backend.texturing.painted import Ground, Painted
from backend.texturing.projection import Projector
from backend.texturing.together import Denoising, Show, Tell, denoise_together

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
    """image (S, S, 3) uint8 sRGB, every texel filled; pictures (B, 4, s, s), the last that a prior drew, for people;
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
    ground: Ground | None = None,
    at_once: int = 0,
    two_sided: bool = False,
    texels: TexelMap | None = None,
    show: Show = lambda pictures: None,
) -> PaintedTexture:
    """Paints a mesh.

    Args:
        mesh: with UVs, in the world of the cameras.
        cameras: the rig; its picture size does not matter.
        passes: at least one; each goes on from what the one before it left.
        texture_size: side in texels.
        generator: a CPU generator; the same one in the same state gives the same texture.
        tell: told about progress; may raise Cancelled.
        ground: colours to begin with; without them the first pass begins in grey (and should begin at full noise).
        at_once: views that are denoised together, 0 for all. Fewer need less memory: later views then keep what
            earlier ones painted, refine what they see much better, and generate what nobody saw.
        two_sided: the mesh is open or wound inwards.
        texels: of this mesh at this size, where they are known already.
        show: given the pictures of each step.

    Raises:
        NothingSeen: no camera sees the object.
        ValueError: no UVs or no pass.
    """
    if mesh.uvs is None or not passes:
        raise ValueError("painting needs a mesh with UVs and at least one pass")
    vertices = torch.from_numpy(mesh.vertices).to(cameras.device)
    faces = torch.from_numpy(mesh.faces).to(cameras.device)
    tell(0.0, "finding the texels")
    texels = texel_map(mesh, texture_size) if texels is None else texels
    surface = Painted(mesh, texels, ground)
    flat = face_normals(mesh.vertices, mesh.faces)[texels.face].astype(np.float32)
    step = at_once or len(cameras)
    for first in range(0, len(cameras), step):
        group = cameras[first : first + step]

        def told(share: float, message: str, first: int = first) -> None:
            tell(0.9 * (first + share * step) / len(cameras), message)

        pictures = _draw(surface, vertices, faces, group, passes, rasteriser, generator, told, show)
        if pictures is not None:
            told(0.95, "projecting the views")
            projector = Projector(texels.points, texels.normals, flat, vertices, faces, group, rasteriser, two_sided)
            found = projector.project(pictures, FINAL_EXPONENT)
            surface.take(add_glimpses(found, projector, mesh, texels, pictures, FINAL_EXPONENT))
            drawn = pictures
    if not surface.facing.any():
        raise NothingSeen("no camera sees the object")
    tell(0.93, "filling what no view saw")
    report = {"views": len(cameras), "texels": len(texels.points), "seen": round(float((surface.facing > 0).mean()), 4),
              "priors": [one.prior.traits.name for one in passes]}
    return PaintedTexture(surface.finished(), drawn, report)


def _draw(
    surface: Painted,
    vertices: Tensor,
    faces: Tensor,
    cameras: Cameras,
    passes: Sequence[Pass],
    rasteriser: Rasteriser,
    generator: torch.Generator,
    tell: Tell,
    show: Show,
) -> Tensor | None:
    """The pictures (B, 4, s, s) of all passes from some cameras, None when none of them sees the object."""
    pictures: Tensor | None = None
    for number, one in enumerate(passes):
        size = one.prior.traits.resolution
        try:
            finer = max(2, min(4, FINEST // size))
            canvas = make_canvas(vertices, faces, cameras.resized(size, size), rasteriser, finer)
        except NothingSeen:
            return None
        start, held = surface.before(canvas)
        if pictures is not None:
            start = canvas.gather(pictures, one.denoising.exponent[1], start)

        def told(share: float, message: str, number: int = number, name: str = one.prior.traits.name) -> None:
            tell(0.9 * (number + share) / len(passes), f"{name}, {message}")

        pictures = denoise_together(one.prior, one.book, canvas, one.denoising, start, generator, told, held, show)
    return pictures
