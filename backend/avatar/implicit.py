# SPDX-License-Identifier: GPL-3.0-or-later
"""A dressed figure as one solid: its signed distance, its colours, and its surface as fine as asked.

The distance of the union of closed parts is the least of theirs; a change that sculpting found is added to it. The
surface is sampled only near where it is: cells whose middle is farther from it than their corners are dropped, the
others divided, down to the cell that marching cubes needs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from backend.avatar.body import CAVITY, EYE, TONGUE
from backend.avatar.figure import Figure
from backend.geometry.mesh import Mesh
from backend.kernels.signed import ClosedSurface
from backend.kernels.winding import NearestSurface
from backend.texturing.rig import Frame
from protocol.errors import EmptySurface

Points = NDArray[np.float32]
Check = Callable[[], None]

LEVELS = 4  # halvings from the first cells to the last
SLACK = 1.35  # how much steeper than a distance the sum of distance and change may be
CHUNK = 1 << 16  # points a question, so that whoever waits can be told
EVERYWHERE = 4.0  # field units: beyond any distance in the box
NEAR = 0.06  # field units: how far a colour is looked for first


class DressedSolid:
    """A figure in the frame of the default cameras.

    Attributes:
        figure: what it is made of. frame: metres to field units. head: (centre (3,), radius) of the head, field units.
    """

    def __init__(self, figure: Figure, device: torch.device | str = "cpu"):
        self.figure = figure
        vertices, _ = figure.joined()
        self.frame = Frame.of(vertices)
        self.device = torch.device(device)
        self._parts: list[tuple[ClosedSurface, NDArray[np.int32]]] = []
        self._robust: list[NearestSurface] = []
        for part in figure.parts:
            placed = torch.from_numpy(self.frame.vertices(part.vertices.astype(np.float32))).to(device)
            faces = torch.from_numpy(part.triangles).to(device)
            self._parts.append((ClosedSurface(placed, faces), part.triangles))
            self._robust.append(NearestSurface(placed, faces))
        # Lips and nostrils touch themselves; there only winding numbers tell the inside. Without its walls the mouth
        # counts as filled, and so do the eye sockets behind the eyeballs.
        skin, kinds = figure.parts[0], figure.body.asset.face_parts
        faces = skin.triangles[np.repeat(kinds[(kinds != EYE) & (kinds != TONGUE)] != CAVITY, 2)]
        placed = torch.from_numpy(self.frame.vertices(skin.vertices.astype(np.float32))).to(device)
        self._face = NearestSurface(placed, torch.from_numpy(faces).to(device))
        asset, body = figure.body.asset, figure.body
        neck, top = body.heads[asset.joint("Head")], body.vertices[:, 2].max()
        middle = np.array([0.0, neck[1], 0.5 * (neck[2] + top)], np.float32)
        self.head = self.frame.vertices(middle[None])[0], float(0.75 * (top - neck[2]) * self.frame.scale)

    def distance(self, points: torch.Tensor, limit: float = 4.0, near: bool = False) -> torch.Tensor:
        """(N,) signed distance at points (N, 3), field units, negative inside; +infinity beyond the limit.

        Clothes and hair may cut through themselves, so the sign is the winding number's; of points `near` the surface
        the skin's comes from its normals, which is many times quicker and wrong only where the skin touches itself.
        """
        best = torch.full((len(points),), torch.inf, device=points.device)
        for number, (surface, _) in enumerate(self._parts):
            rows = _near(points, surface, limit)
            if not rows.any():
                continue
            some = points[rows]
            if number == 0:
                found = self._skin(some, limit, near)
            else:
                found = _signed(self._robust[number], some, limit)
            best[rows] = torch.minimum(best[rows], found)
        return best

    def colours(self, points: Points, check: Check = lambda: None) -> NDArray[np.float32]:
        """(N, 3) sRGB of the nearest part at points (N, 3) near the surface."""
        out = np.zeros((len(points), 3), np.float32)
        for start in range(0, len(points), CHUNK):
            check()
            some = torch.from_numpy(np.ascontiguousarray(points[start : start + CHUNK], np.float32)).to(self.device)
            part, face, shares = self._places(some, NEAR)
            lost = part < 0
            if lost.any():
                part[lost], face[lost], shares[lost] = self._places(some[torch.from_numpy(lost).to(self.device)], 4.0)
            fields = np.zeros((len(some), self.figure.parts[0].fields.shape[1]))
            for number, one in enumerate(self.figure.parts):
                mine = part == number
                if mine.any():
                    corners = one.fields[self._parts[number][1][face[mine]]]
                    fields[mine] = (corners * shares[mine][:, :, None]).sum(1)
            out[start : start + CHUNK] = self.figure.colours_at(part, fields)
        return out

    def part_at(self, points: Points) -> NDArray[np.int64]:
        """(N,) which part of the figure is nearest to points (N, 3), field units."""
        return self._places(torch.from_numpy(np.ascontiguousarray(points, np.float32)).to(self.device), 4.0)[0]

    def _places(self, points: torch.Tensor, limit: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Points]:
        """(part (N,) or -1, face, barycentric (N, 3)) of the nearest place of any part, inside or out."""
        best = torch.full((len(points),), torch.inf, device=points.device)
        part = torch.full((len(points),), -1, dtype=torch.int64, device=points.device)
        face = torch.zeros(len(points), dtype=torch.int64, device=points.device)
        shares = torch.zeros((len(points), 3), device=points.device)
        for number, (surface, _) in enumerate(self._parts):
            near = _near(points, surface, limit)
            if not near.any():
                continue
            found = surface.ask(points[near], limit)
            # A hidden surface below another may be as near as the one that is seen; the outer one wins.
            distance = found.distance.abs()
            better = distance < best[near]
            rows = torch.nonzero(near).squeeze(1)[better]
            best[rows], part[rows] = distance[better], number
            face[rows], shares[rows] = found.face[better].long(), found.barycentric[better]
        return part.cpu().numpy(), face.cpu().numpy(), shares.cpu().numpy()

    def _skin(self, points: torch.Tensor, limit: float, near: bool) -> torch.Tensor:
        """(N,) signed distance of the skin."""
        centre, radius = torch.from_numpy(self.head[0]).to(points), self.head[1]
        at_head = (points - centre).norm(dim=1) < radius
        out = torch.empty(len(points), device=points.device)
        below = points[~at_head]
        out[~at_head] = self._parts[0][0].ask(below, limit).distance if near else _signed(self._robust[0], below, limit)
        out[at_head] = _signed(self._face, points[at_head], limit)
        return out

    def surface(
        self, cell: float, change: Callable[[torch.Tensor], torch.Tensor] | None = None, reach: float = 0.0,
        check: Check = lambda: None,
    ) -> Mesh:
        """The surface as triangles, field units, sampled every `cell`; `change` (N, 3) -> (N,) is added to the
        distance and moves it by `reach` at most. Raises EmptySurface when nothing is left."""
        low, high = self._box(reach, cell)
        first = cell * 2**LEVELS
        count = np.maximum(1, np.ceil((high - low) / first).astype(int))
        origin = (low + high - count * first) / 2
        index = np.stack(np.meshgrid(*(np.arange(n) for n in count), indexing="ij"), -1).reshape(-1, 3)
        shape = count * 2**LEVELS
        volume = np.full(shape, np.float32(cell * 4))
        size = first
        for level in range(LEVELS + 1):
            # The surface crosses a cell only where its middle is nearer than its corner; marching needs two cells more.
            enough = SLACK * (0.5 * np.sqrt(3.0) * size) + 2.0 * cell
            # A child of a cell that was kept is no farther from the surface than this; the first may be anywhere.
            limit = EVERYWHERE if level == 0 else 2.5 * enough + reach
            value = self._sample(origin, index, size, change, limit, level == LEVELS, check)
            if level == LEVELS:
                volume[tuple(index.T)] = value
                break
            far = np.abs(value) > enough
            self._fill(volume, index[far & (value < 0)], 2 ** (LEVELS - level), -4 * cell)
            index = index[~far]
            index = (2 * index[:, None] + _CHILDREN).reshape(-1, 3)
            size /= 2
        if not (volume < 0).any():
            raise EmptySurface("The figure vanished while it was sculpted.", stage="sculpt",
                               hint="Lower `effort`, or choose another seed.")
        vertices, faces, _, _ = marching_cubes(volume, 0.0, gradient_direction="descent")
        placed = origin + (vertices + 0.5) * cell
        return Mesh(placed.astype(np.float32), faces.astype(np.int32))

    def _sample(
        self, origin: NDArray[np.float64], index: NDArray[np.int64], size: float,
        change: Callable[[torch.Tensor], torch.Tensor] | None, limit: float, near: bool, check: Check,
    ) -> NDArray[np.float32]:
        """(N,) the distance with the change at the middles of cells (N, 3)."""
        out = np.empty(len(index), np.float32)
        for start in range(0, len(index), CHUNK):
            check()
            middle = origin + (index[start : start + CHUNK] + 0.5) * size
            points = torch.from_numpy(middle.astype(np.float32)).to(self.device)
            value = self.distance(points, limit, near)
            if change is not None:
                value = value + change(points)
            out[start : start + CHUNK] = value.cpu().numpy()
        return out

    @staticmethod
    def _fill(volume: NDArray[np.float32], index: NDArray[np.int64], side: int, value: float) -> None:
        for i, j, k in index * side:
            volume[i : i + side, j : j + side, k : k + side] = value

    def _box(self, reach: float, cell: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        vertices = self.frame.vertices(self.figure.joined()[0]).astype(np.float64)
        room = reach + 3 * cell
        return vertices.min(0) - room, vertices.max(0) + room


_CHILDREN = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)


def _signed(surface: NearestSurface, points: torch.Tensor, limit: float) -> torch.Tensor:
    """(N,) signed distance by winding number."""
    found = surface.ask(points, limit)
    return torch.where(found.inside, -found.distance, found.distance)


def _near(points: torch.Tensor, surface: ClosedSurface, limit: float) -> torch.Tensor:
    """(N,) whether points are within the limit of the box of a part."""
    return ((points > surface.low - limit) & (points < surface.high + limit)).all(1)


class Magnifier:
    """Blows a ball up and pushes the rest away, and back again, so that what counts by area counts more there.

    Inside `radius` of `centre` distances grow by `factor`; outside everything moves off by as much as the rim did.
    """

    def __init__(self, centre: Points, radius: float, factor: float):
        self.centre, self.radius, self.factor = np.asarray(centre, np.float64), radius, factor

    def grow(self, points: Points) -> Points:
        """(N, 3) magnified."""
        away, r = self._polar(points)
        far = np.where(r < self.radius, r * self.factor, r + self.radius * (self.factor - 1))
        return (self.centre + away * (far / r)[:, None]).astype(np.float32)

    def shrink(self, points: Points) -> Points:
        """The way back."""
        away, r = self._polar(points)
        rim = self.radius * self.factor
        near = np.where(r < rim, r / self.factor, r - self.radius * (self.factor - 1))
        return (self.centre + away * (near / r)[:, None]).astype(np.float32)

    def _polar(self, points: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        away = np.asarray(points, np.float64) - self.centre
        return away, np.maximum(np.linalg.norm(away, axis=1), 1e-12)
