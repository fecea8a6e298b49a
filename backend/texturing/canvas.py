# SPDX-License-Identifier: GPL-3.0-or-later
"""The surface as several views share it: small cells of space that every view looks into, and sums over them.

Views that are denoised together must agree on what they see. A `Canvas` rasterises the object finely from all cameras,
sorts what it hits into cells (places of about half a pixel, apart by the side they face), and then moves pictures
to cells (`gather`) and cells to pictures (`show`). A sample lies on what its camera sees, so nothing occluded is ever
involved, no depth test is needed and no UVs either: the canvas is the same for any mesh. Texels come later
(`backend.texturing.projection`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from backend.geometry.regularisers import vertex_normals_of
from backend.priors.base import GREY
from backend.priors.geometry import Geometry
from backend.render.cameras import Cameras
from backend.render.geometry import geometry_of
from backend.render.raster import Fragments, Rasteriser

CELL = 0.6  # side of a cell in pixels at the object's distance: below one, so that cells don't show, yet views meet
EDGE_TRUST = 0.03  # weight of a sample beside a depth edge: its pixel shows what lies behind too
UNDRAWN = 0.02  # how little of the object a picture may show at a place and still be heard
FAINT = 1e-4  # weight of the worst sample: a cell that only grazing views see still gets its colour from them


class NothingSeen(ValueError):
    """No camera of a rig sees any of the object."""


@dataclass(frozen=True)
class Canvas:
    """B views of one mesh at one picture size, and the cells of the surface that they see.

    Attributes:
        cameras: B, at the pictures' size S x S.
        alpha: (B, 1, S, S) coverage in 0..1, the object's true outline.
        finer: samples along each side of a pixel.
        sample: (N,) int64 index into the B x (S finer) x (S finer) samples, of those that hit the surface.
        face, barycentric: (N,) int64 and (N, 3), where on the mesh each of them lies.
        cell: (N,) int64 cell of each, in 0..cells - 1.
        facing: (N,) cosine between the surface and the direction to the camera, 0..1.
        trust: (N,) 1, or EDGE_TRUST near depth edges and outlines.
        cells: how many there are.
        geometry: what the views see of the shape, for priors with a control network.
    """

    cameras: Cameras
    alpha: Tensor
    finer: int
    sample: Tensor
    face: Tensor
    barycentric: Tensor
    cell: Tensor
    facing: Tensor
    trust: Tensor
    cells: int
    geometry: Geometry

    @property
    def size(self) -> int:
        return self.cameras.width

    def gather(self, pictures: Tensor, exponent: float, before: Tensor | None = None) -> Tensor:
        """What the views say about each cell: (cells, 3) plain colours in 0..1.

        Args:
            pictures: (B, 4, s, s) of any size: colour over mid grey, and how much of each pixel is the object in the
                eyes of who drew it.
            exponent: how much a view straight ahead counts above a grazing one (weight facing^exponent).
            before: (cells, 3) colours that stay where the pictures show no object, or None.
        """
        fine = self.size * self.finer
        alpha = pictures[:, 3:4]
        layers = torch.cat([pictures[:, :3] - GREY * (1 - alpha), alpha], 1)  # what the object itself adds
        layers = functional.interpolate(layers, size=(fine, fine), mode="bilinear", align_corners=False)
        seen = layers.permute(0, 2, 3, 1).reshape(-1, 4)[self.sample]
        weight = ((self.facing**exponent + FAINT) * self.trust)[:, None]
        before = self.plain() if before is None else before
        kept = weight * UNDRAWN
        parts = torch.cat([seen[:, :3] * weight + before[self.cell] * kept, seen[:, 3:] * weight + kept], 1)
        summed = parts.new_zeros(self.cells, 4).index_add_(0, self.cell, parts)
        return (summed[:, :3] / summed[:, 3:]).clamp(0, 1)

    def plain(self) -> Tensor:
        """(cells, 3) mid grey everywhere."""
        return self.alpha.new_full((self.cells, 3), GREY)

    def average(self, values: Tensor) -> Tensor:
        """Means (cells, C) of values (N, C) at the samples."""
        summed = values.new_zeros(self.cells, values.shape[1]).index_add_(0, self.cell, values)
        return summed / torch.bincount(self.cell, minlength=self.cells)[:, None].clamp_min(1)

    def show(self, colours: Tensor) -> Tensor:
        """Pictures (B, 4, S, S) of the cells' colours (cells, 3), over mid grey and antialiased, with alpha."""
        fine = self.size * self.finer
        layer = colours.new_zeros(len(self.cameras) * fine * fine, 3)
        layer[self.sample] = colours[self.cell]
        layer = layer.view(len(self.cameras), fine, fine, 3).permute(0, 3, 1, 2)
        return torch.cat([functional.avg_pool2d(layer, self.finer) + GREY * (1 - self.alpha), self.alpha], 1)

    def noise(self, channels: int, side: int, generator: torch.Generator) -> Tensor:
        """White noise (B, channels, side, side) that lies on the surface: views that see the same place get the same
        noise there, each pixel with unit variance. `side` divides S. Off the object every pixel has its own.

        Independent noise would ask every view for a pattern of its own, and their mean is no pattern at all.
        """
        count, step = len(self.cameras), self.size * self.finer // side
        own = torch.randn(count * side * side, channels, generator=generator).to(self.alpha)
        lying = torch.randn(self.cells, channels, generator=generator).to(self.alpha)
        fine = side * step
        view, row, column = self.sample // fine**2, self.sample // fine % fine, self.sample % fine
        pixel = (view * side + row // step) * side + column // step
        # A pixel's noise is the sum of that of its cells by their shares, scaled to unit variance.
        pair, times = torch.unique(pixel * self.cells + self.cell, return_counts=True)
        pixel, cell, share = pair // self.cells, pair % self.cells, times.to(lying)
        square = own.new_zeros(len(own)).index_add_(0, pixel, share**2)
        summed = torch.zeros_like(own).index_add_(0, pixel, lying[cell] * share[:, None])
        mixed = torch.where(square[:, None] > 0, summed / square[:, None].clamp_min(1).sqrt(), own)
        return mixed.view(count, side, side, channels).permute(0, 3, 1, 2).contiguous()


def make_canvas(vertices: Tensor, faces: Tensor, cameras: Cameras, rasteriser: Rasteriser, finer: int = 4) -> Canvas:
    """The canvas of a mesh: vertices (V, 3) float32, faces (F, 3) int32, square `cameras` at the pictures' size.

    Raises NothingSeen when no camera sees the object.
    """
    if cameras.width != cameras.height:
        raise ValueError(f"a canvas wants square pictures, not {cameras.width} x {cameras.height}")
    fine = cameras.resized(cameras.width * finer, cameras.height * finer)
    with torch.no_grad():
        fragments = rasteriser.rasterise(vertices, faces, fine)
        normals = vertex_normals_of(vertices, faces.long())
        values = rasteriser.interpolate(torch.cat([vertices, normals], 1), faces, fragments)
    mask = fragments.mask
    if not bool(mask.any()):
        raise NothingSeen("no camera sees the object")
    footprint = pixel_footprint(cameras)  # (B,) at the object's middle
    points, normal = values[mask][:, :3], functional.normalize(values[mask][:, 3:], dim=-1, eps=1e-6)
    view = mask.nonzero()[:, 0]
    towards = functional.normalize(cameras.positions[view] - points, dim=-1)
    slope = (normal * towards).sum(-1)
    # An open or inside-out surface is seen from behind: it faces its viewer all the same.
    normal = torch.where(slope[:, None] < 0, -normal, normal)
    cell, cells = _cells(points, normal, CELL * float(footprint.mean()))
    return Canvas(
        cameras,
        functional.avg_pool2d(mask[:, None].float(), finer),
        finer,
        mask.flatten().nonzero()[:, 0],
        fragments.face[mask].long(),
        fragments.barycentric[mask],
        cell,
        slope.abs().clamp(0, 1),
        torch.where(depth_edges(fragments, fine, finer // 2)[mask], EDGE_TRUST, 1.0),
        cells,
        geometry_of(vertices, faces, fine, fragments, finer),
    )


def pixel_footprint(cameras: Cameras) -> Tensor:
    """(B,) side of a pixel at the distance of the origin, in the world's units."""
    return cameras.positions.norm(dim=-1) * torch.tan(0.5 * cameras.fov_y) * 2 / cameras.height


def depth_edges(fragments: Fragments, cameras: Cameras, reach: int) -> Tensor:
    """(B, H, W) bool: pixels within `reach` (at least 1) of an outline or of a jump in depth.

    A jump is a step of more than 6 pixels' size to the next pixel, that is more than a surface inclined by 80 degrees
    makes.
    """
    far = 10.0 * float(fragments.depth.max())
    depth = torch.where(fragments.mask, fragments.depth, far)[:, None]
    limit = (6.0 * pixel_footprint(cameras)).view(-1, 1, 1, 1)
    side = 2 * max(1, reach) + 1
    padded = functional.pad(depth, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]).abs() > 2 * limit
    along = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]).abs() > 2 * limit
    jump = (across | along).float()
    return functional.max_pool2d(jump, side, 1, side // 2)[:, 0] > 0


def _cells(points: Tensor, normal: Tensor, side: float) -> tuple[Tensor, int]:
    """((N,) cell of each sample, how many): cubes of `side`, each up to six times by the axis that the surface faces,
    so that the two sides of a thin wall stay apart."""
    place = torch.floor((points - points.amin(0)) / side).long()
    span = place.amax(0) + 1
    largest = normal.abs().argmax(-1)
    sign = (normal.gather(1, largest[:, None])[:, 0] > 0).long()
    key = ((place[:, 0] * span[1] + place[:, 1]) * span[2] + place[:, 2]) * 6 + largest * 2 + sign
    unique, cell = torch.unique(key, return_inverse=True)
    return cell, len(unique)
