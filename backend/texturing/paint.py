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
from backend.priors.base import GREY, Prior
from backend.priors.prompts import PromptBook
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser
from backend.texturing.canvas import Canvas, NothingSeen, make_canvas
from backend.texturing.fill import fill
from backend.texturing.projection import STEEPEST, Projected, Projector
from backend.texturing.textured import texture_at
from backend.texturing.together import Denoising, Held, Tell, denoise_together

FINAL_EXPONENT = 8.0  # a texel is almost wholly the business of the view that sees it best
BETTER = 0.2  # cosine by which a later view must see a texel better than all before it to paint it again (TEXTure)
FINEST = 640  # samples along a side that a canvas is rasterised at, at most


@dataclass(frozen=True)
class Pass:
    """One prior's turn: the prompt in its language and how it denoises."""

    prior: Prior
    book: PromptBook
    denoising: Denoising


@dataclass(frozen=True, eq=False)
class Ground:
    """What is painted upon.

    Attributes:
        picture: (H, W, 3) uint8, colours that are there, on the mesh's UVs.
        keep: (H, W) bool, texels that stay as they are to the last bit; None keeps nothing. The finished texture then
            has the picture's size.
    """

    picture: NDArray[np.uint8]
    keep: NDArray[np.bool_] | None = None


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
        ground: colours to begin with; without them the first pass begins in grey (and should begin at full noise).
        at_once: views that are denoised together, 0 for all. Fewer need less memory: later views then keep what
            earlier ones painted, refine what they see much better, and generate what nobody saw.
        texels: of this mesh at this size, where they are known already.

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
    step = at_once or len(cameras)
    for first in range(0, len(cameras), step):
        group = cameras[first : first + step]

        def told(share: float, message: str, first: int = first) -> None:
            tell(0.9 * (first + share * step) / len(cameras), message)

        pictures = _draw(surface, vertices, faces, group, passes, rasteriser, generator, told)
        if pictures is not None:
            told(0.95, "projecting the views")
            projector = Projector(texels.points, texels.normals, vertices, faces, group, rasteriser)
            surface.take(projector.project(pictures, FINAL_EXPONENT))
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

        pictures = denoise_together(one.prior, one.book, canvas, one.denoising, start, generator, told, held)
    return pictures


class Painted:
    """The texture as it grows: values and the cosine at which each texel was seen best, with what must stay."""

    def __init__(self, mesh: Mesh, texels: TexelMap, ground: Ground | None):
        self.mesh, self.texels, self.ground = mesh, texels, ground
        self.values = np.full((len(texels.points), 3), GREY, np.float32)
        self.facing = np.zeros(len(texels.points), np.float32)
        if ground is not None and ground.keep is not None and ground.keep.shape != (texels.size, texels.size):
            raise ValueError(f"what is kept is {ground.keep.shape}, the texture {texels.size} texels wide")

    def before(self, canvas: Canvas) -> tuple[Tensor | None, Held | None]:
        """(colours that a canvas begins with, which of its cells hold theirs)."""
        ground = self.ground
        colours = None if ground is None else self._on(canvas, ground.picture / 255.0)
        keep = canvas.alpha.new_zeros(canvas.cells)
        refine = torch.zeros_like(keep)
        if ground is not None and ground.keep is not None:
            keep = self._on(canvas, ground.keep[..., None].astype(np.float32))[:, 0]
        if self.facing.any():
            layers = self.texels.picture(np.concatenate([self.values, self.facing[:, None]], 1))
            known = self._on(canvas, dilate(layers, self.texels.mask))
            best, here = known[:, 3], canvas.average(canvas.facing[:, None])[:, 0]
            painted = best > 0.5 * STEEPEST
            better = here > best + BETTER
            keep = torch.maximum(keep, (painted & ~better).float())
            refine = (painted & better).float()
            colours = torch.where(painted[:, None], known[:, :3], canvas.plain() if colours is None else colours)
        if colours is None or not bool((keep + refine).any()):
            return colours, None
        return colours, Held(colours, keep, refine)

    def take(self, projected: Projected) -> None:
        """New colours where these views see a texel for the first time or much better than any before."""
        new = (projected.facing > 0) & ((self.facing == 0) | (projected.facing > self.facing + BETTER))
        self.values[new] = projected.values[new]
        self.facing = np.where(new, projected.facing, self.facing)

    def finished(self) -> NDArray[np.uint8]:
        """(S, S, 3) uint8 with the unseen texels filled, margins laid, and what is kept as it was."""
        texels, known = self.texels, self.facing > 0
        values = self.values
        keep = None if self.ground is None else self.ground.keep
        if self.ground is not None and keep is not None:
            kept = keep[texels.rows, texels.columns]
            values, known = values.copy(), known | kept
            values[kept] = self.ground.picture[texels.rows, texels.columns][kept] / 255.0
        values = fill(texels.points, texels.normals, values, known)
        image = to_bytes(dilate(texels.picture(values), texels.mask))
        if self.ground is not None and keep is not None:
            image[keep] = self.ground.picture[keep]
        return image

    def _on(self, canvas: Canvas, picture: NDArray[np.floating]) -> Tensor:
        return canvas.average(texture_at(self.mesh, picture, canvas.face, canvas.barycentric))
