# SPDX-License-Identifier: GPL-3.0-or-later
"""The texture while it is painted: what was there before, what each view added, and what must stay.

Views may come all at once or a few after another. A texel takes the colour of the first view that sees it and gives
it up only to one that sees it much better; what no view saw is continued over the surface at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.geometry.bake import TexelMap, dilate, to_bytes
from backend.geometry.mesh import Mesh
from backend.priors.base import GREY
from backend.texturing.canvas import Canvas
from backend.texturing.fill import fill
from backend.texturing.projection import STEEPEST, Projected
from backend.texturing.textured import texture_at
from backend.texturing.together import Held

BETTER = 0.2  # cosine by which a later view must see a texel better than all before it to paint it again (TEXTure)


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
