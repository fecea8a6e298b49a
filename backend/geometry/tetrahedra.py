# SPDX-License-Identifier: GPL-3.0-or-later
"""Tetrahedral grids that are computed, and marching tetrahedra on them.

The grid is a body-centred cubic (BCC) lattice: the corners of cubic cells and their centres. Two centres that share a
cell face and the four corners of that face form an octahedron, and each octahedron is cut into four congruent
tetrahedra around its axis (Labelle and Shewchuk 2007, section 3.1). Against the cheaper Kuhn grid (six tetrahedra a
cube, all sharing one diagonal) the lattice has no preferred direction and its dihedral angles are only 60 and 90
degrees, so a sphere comes out evenly triangulated instead of sheared along (1, 1, 1).

Every edge has a number that follows from arithmetic, so the topology is enumerated once per grid and a call touches
only the octahedra that the surface crosses (Shen et al. 2021, DMTet, for the differentiable form). The signed
distance is NEGATIVE INSIDE everywhere in Maquette. Where it is positive on the border of the grid the surface is a
closed, consistently outward oriented 2-manifold: each surface vertex sits on one grid edge and its faces are the ring
of tetrahedra around it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import torch

# A DMTet grid "of 128" has 277,410 vertices and 1,524,684 tetrahedra; this many cells a side gives as many of each.
CELLS_PER_CLASS = 0.4
_LOCAL_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))


class Surface(NamedTuple):
    """A marched surface. `vertices` (S, 3) carries gradients to sdf and grid vertices; `faces` (F, 3) int64, counter-
    clockwise from outside; `edges` (S, 2) int64 the grid edge under each vertex; `weights` (S,) the share of its
    second end.
    """

    vertices: torch.Tensor
    faces: torch.Tensor
    edges: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True, eq=False)
class TetrahedralGrid:
    """A BCC grid over a box of cubic cells.

    vertices (V, 3) float32 rest positions: cell corners first, then cell centres, then the middles of the box's outer
    faces. edges (E, 2) int32 every edge of every tetrahedron once. octahedra (6, O) int32: the two ends of the axis,
    then the ring of four, counter-clockwise around the axis. octahedron_edges (13, O) int32: the axis, ring to first
    end (4), ring to second end (4), the ring itself (4). border (V,) bool: vertices on the surface of the box. cells
    (3,) cells along each axis; cell_size the side of a cell, in the units of the box.
    """

    vertices: torch.Tensor
    edges: torch.Tensor
    octahedra: torch.Tensor
    octahedron_edges: torch.Tensor
    border: torch.Tensor
    cells: tuple[int, int, int]
    cell_size: float

    def to(self, device: torch.device | str) -> TetrahedralGrid:
        """The same grid on another device."""
        names = ("vertices", "edges", "octahedra", "octahedron_edges", "border")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    @property
    def tetrahedra(self) -> torch.Tensor:
        """(T, 4) int64, all with positive volume: the octahedra cut around their axes. Made on demand."""
        first, second, *ring = self.octahedra.long()
        parts = [torch.stack((first, second, ring[i], ring[(i + 1) % 4]), 1) for i in range(4)]
        return torch.stack(parts, 1).reshape(-1, 4)


@lru_cache(maxsize=4)
def tetrahedral_grid(
    resolution: int,
    low: tuple[float, float, float] = (-1.0, -1.0, -1.0),
    high: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> TetrahedralGrid:
    """A grid on the CPU with the vertex budget of the DMTet grid of that name (32, 64, 128, or anything between and
    beyond).

    The box is covered by cubic cells; a flat or slim box gets finer cells for the same number of vertices. Where the
    box is not a whole number of cells it grows evenly on both sides, by less than half a cell each.
    """
    if resolution < 4:
        raise ValueError(f"a tetrahedral grid needs a resolution of at least 4, not {resolution}")
    extent = [b - a for a, b in zip(low, high, strict=True)]
    if min(extent) <= 0:
        raise ValueError(f"the box from {low} to {high} is empty: each upper bound must exceed the lower one")
    budget = max(2, round(resolution * CELLS_PER_CLASS)) ** 3
    cell = (extent[0] * extent[1] * extent[2] / budget) ** (1 / 3)
    # Rounded up against the float error of a cube root, so that a cube of n cells is not made one of n + 1.
    counts = [max(2, int(-(-(side / cell - 1e-6) // 1))) for side in extent]
    corner = [(a + b - n * cell) / 2 for a, b, n in zip(low, high, counts, strict=True)]
    return _build((counts[0], counts[1], counts[2]), (corner[0], corner[1], corner[2]), cell)


def _grid_of(shape: list[int] | tuple[int, ...]) -> list[torch.Tensor]:
    return [part.reshape(-1) for part in torch.meshgrid(*(torch.arange(n) for n in shape), indexing="ij")]


def _build(cells: tuple[int, int, int], origin: tuple[float, float, float], cell: float) -> TetrahedralGrid:
    corners, count = [n + 1 for n in cells], cells[0] * cells[1] * cells[2]

    def corner_index(c: list[torch.Tensor]) -> torch.Tensor:
        return (c[0] * corners[1] + c[1]) * corners[2] + c[2]

    # Centres live in an array with one more layer all around: the outer layer holds the middles of the box's outer
    # faces.
    padded = torch.full([n + 2 for n in cells], -1, dtype=torch.int64)
    first_centre = corners[0] * corners[1] * corners[2]
    padded[1:-1, 1:-1, 1:-1] = torch.arange(first_centre, first_centre + count).reshape(cells)
    next_index = first_centre + count
    shape_of = [(cells[1], cells[2]), (cells[0], cells[2]), (cells[0], cells[1])]
    positions = [torch.stack(_grid_of(corners), 1).double(), torch.stack(_grid_of(cells), 1).double() + 0.5]
    for axis in range(3):
        for side in (0, -1):
            layer = padded.select(axis, 0 if side == 0 else cells[axis] + 1)[1:-1, 1:-1]
            layer.copy_(torch.arange(next_index, next_index + layer.numel()).reshape(shape_of[axis]))
            next_index += layer.numel()
            flat = [part.double() + 0.5 for part in _grid_of(shape_of[axis])]
            flat.insert(axis, torch.full_like(flat[0], 0.0 if side == 0 else float(cells[axis])))
            positions.append(torch.stack(flat, 1))
    lattice = torch.cat(positions)
    border = ((lattice == 0) | (lattice == torch.tensor(cells))).any(1)
    vertices = (lattice * cell + torch.tensor(origin, dtype=torch.float64)).float()

    octahedra, edge_ids, edges, base = [], [], [], 0
    # Corner-corner edges: one family an axis.
    corner_edge_base, corner_edge_shape = [], []
    for axis in range(3):
        shape = [n - (1 if k == axis else 0) for k, n in enumerate(corners)]
        c = _grid_of(shape)
        other = [part + (1 if k == axis else 0) for k, part in enumerate(c)]
        edges.append(torch.stack((corner_index(c), corner_index(other)), 1))
        corner_edge_base.append(base)
        corner_edge_shape.append(shape)
        base += len(c[0])
    # Corner-centre edges: eight to a centre in the box, four to a middle of an outer face. Slot 4 x + 2 y + z of a
    # centre.
    spoke_of = torch.full((next_index - first_centre, 8), -1, dtype=torch.int64)

    def ring_corners(axis: int, c: list[torch.Tensor]) -> list[list[torch.Tensor]]:
        """The four corners of the cell face `c` (normal along `axis`), counter-clockwise seen from its positive
        side."""
        u, v = (axis + 1) % 3, (axis + 2) % 3
        ring = []
        for du, dv in ((0, 0), (1, 0), (1, 1), (0, 1)):
            corner = list(c)
            corner[u], corner[v] = c[u] + du, c[v] + dv
            ring.append(corner)
        return ring

    centres = _grid_of(cells)
    for slot in range(8):
        offset = (slot >> 2 & 1, slot >> 1 & 1, slot & 1)
        ends = corner_index([part + o for part, o in zip(centres, offset, strict=True)])
        spoke_of[:count, slot] = base + torch.arange(count)
        edges.append(torch.stack((ends, first_centre + torch.arange(count)), 1))
        base += count
    for axis in range(3):
        for side in (0, 1):
            flat = _grid_of(shape_of[axis])
            flat.insert(axis, torch.full_like(flat[0], side * cells[axis]))
            middle = padded.select(axis, side * (cells[axis] + 1))[1:-1, 1:-1].reshape(-1)
            for corner in ring_corners(axis, flat):
                # A middle of an outer face sees its corners on one side only; the slot is the one of the cell
                # outside.
                slot = _slot(corner, flat, axis, 1 - side)
                spoke_of[middle - first_centre, slot] = base + torch.arange(len(middle))
                edges.append(torch.stack((corner_index(corner), middle), 1))
                base += len(middle)
    # Axis edges, and with them the octahedra: one a cell face.
    for axis in range(3):
        shape = [n + (1 if k == axis else 0) for k, n in enumerate(cells)]
        c = _grid_of(shape)
        before = [part + (0 if k == axis else 1) for k, part in enumerate(c)]
        after = [part + 1 for part in c]
        first, second = padded[tuple(before)], padded[tuple(after)]
        ring = ring_corners(axis, c)
        u, v = (axis + 1) % 3, (axis + 2) % 3
        octahedra.append(torch.stack((first, second, *(corner_index(r) for r in ring))))
        edges.append(torch.stack((first, second), 1))
        to_first = [spoke_of[first - first_centre, _slot(r, c, axis, 1)] for r in ring]
        to_second = [spoke_of[second - first_centre, _slot(r, c, axis, 0)] for r in ring]
        around = []
        for start, along in ((ring[0], u), (ring[1], v), (ring[3], u), (ring[0], v)):
            s = corner_edge_shape[along]
            around.append(corner_edge_base[along] + (start[0] * s[1] + start[1]) * s[2] + start[2])
        edge_ids.append(torch.stack((base + torch.arange(len(first)), *to_first, *to_second, *around)))
        base += len(first)
    all_edges = torch.cat(edges).int()
    return TetrahedralGrid(
        vertices,
        all_edges,
        torch.cat(octahedra, 1).int().contiguous(),
        torch.cat(edge_ids, 1).int().contiguous(),
        border,
        cells,
        cell,
    )


def _slot(corner: list[torch.Tensor], face: list[torch.Tensor], axis: int, side: int) -> int:
    """Which of a centre's eight corners `corner` is, when it belongs to the cell face `face` on the `side` (0 low, 1
    high)."""
    slot = 0
    for k in range(3):
        bit = side if k == axis else int((corner[k] - face[k]).flatten()[0])
        slot = slot * 2 + bit
    return slot


def _tables() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Per inside-code of a tetrahedron (bit i: vertex i is inside): is it one triangle, or a quad, and the local
    edges in outward order. Derived from one rule: with (a, b, c, d) of positive volume, triangle (ab, ac, ad) faces
    away from a, and the quad (ac, ad, bd, bc) faces from edge ab to edge cd; even permutations keep the volume
    positive.
    """
    even = [p for p in _permutations() if _is_even(p)]
    edge_of = {frozenset(e): i for i, e in enumerate(_LOCAL_EDGES)}
    corners = torch.zeros(16, 4, dtype=torch.int64)
    single, double = torch.zeros(16, dtype=torch.bool), torch.zeros(16, dtype=torch.bool)
    for code in range(1, 15):
        inside = {i for i in range(4) if code >> i & 1}
        if len(inside) == 2:
            a, b, c, d = next(p for p in even if set(p[:2]) == inside)
            order = [edge_of[frozenset(e)] for e in ((a, c), (a, d), (b, d), (b, c))]
            double[code] = True
        else:
            lone = inside if len(inside) == 1 else set(range(4)) - inside
            a, b, c, d = next(p for p in even if p[0] in lone)
            ends = (b, c, d) if len(inside) == 1 else (b, d, c)
            order = [edge_of[frozenset((a, e))] for e in ends] + [0]
            single[code] = True
        corners[code] = torch.tensor(order)
    # Of an octahedron's 13 edges, the six of its tetrahedron i, in the order of _LOCAL_EDGES.
    pieces = torch.tensor([[0, 1 + i, 1 + (i + 1) % 4, 5 + i, 5 + (i + 1) % 4, 9 + i] for i in range(4)])
    return corners, single, double, pieces


def _permutations() -> list[tuple[int, ...]]:
    return [(a, b, c, 6 - a - b - c) for a in range(4) for b in range(4) for c in range(4) if len({a, b, c}) == 3]


def _is_even(permutation: tuple[int, ...]) -> bool:
    return sum(permutation[i] > permutation[j] for i in range(4) for j in range(i + 1, 4)) % 2 == 0


@lru_cache(maxsize=16)
def _tables_on(device: torch.device) -> tuple[torch.Tensor, ...]:
    """`_tables`, sent to a device once."""
    return tuple(table.to(device) for table in _tables())


def marching_tetrahedra(grid: TetrahedralGrid, sdf: torch.Tensor, vertices: torch.Tensor | None = None) -> Surface:
    """The zero level of `sdf` (V,), negative inside, on a grid whose vertices may have moved to `vertices` (V, 3).

    A value of exactly zero counts as outside. Gradients reach `sdf` and `vertices`. Quads are cut along the shorter
    diagonal. The result is empty (0 vertices, 0 faces) where no sign changes; values that are not finite are refused.
    """
    rest = grid.vertices if vertices is None else vertices
    if sdf.shape != (len(grid.vertices),) or rest.shape != grid.vertices.shape:
        raise ValueError(
            f"this grid has {len(grid.vertices)} vertices, but sdf has shape {tuple(sdf.shape)}"
            f" and positions {tuple(rest.shape)}"
        )
    with torch.no_grad():
        faces, crossed = _march_topology(grid, sdf)
        ends = grid.edges.index_select(0, crossed).long()
    # index_select, not advanced indexing: its backward is one ordered index_add, the same bits in every run on the
    # CPU.
    s = sdf.index_select(0, ends.reshape(-1)).reshape(-1, 2)
    p = rest.index_select(0, ends.reshape(-1)).reshape(-1, 2, 3)
    weights = s[:, 0] / (s[:, 0] - s[:, 1])
    points = p[:, 0] + weights[:, None] * (p[:, 1] - p[:, 0])
    if len(points) and not bool(torch.isfinite(points.detach()).all()):
        raise ValueError("the signed distance or the grid positions are not finite near the surface")
    return Surface(points, _split_quads(points.detach(), *faces), ends, weights)


def _march_topology(grid: TetrahedralGrid, sdf: torch.Tensor) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
    """((triangles (A, 3), quads (B, 4)) as numbers of surface vertices, crossed edges (S,) ascending)."""
    device = sdf.device
    inside = (sdf < 0).to(torch.uint8)
    count = inside.index_select(0, grid.octahedra.reshape(-1)).reshape(6, -1).sum(0, dtype=torch.uint8)
    active = ((count > 0) & (count < 6)).nonzero().squeeze(1)
    at = inside.index_select(0, grid.octahedra.index_select(1, active).reshape(-1)).reshape(6, -1).long()
    code = torch.stack([at[0] + 2 * at[1] + 4 * at[2 + i] + 8 * at[2 + (i + 1) % 4] for i in range(4)], 1)  # (A, 4)
    corners, single, double, pieces = _tables_on(device)
    edge_ids = grid.octahedron_edges.index_select(1, active)  # (13, A)
    flags = torch.zeros(len(grid.edges), dtype=torch.bool, device=device)
    picked = []
    for table, size in ((single, 3), (double, 4)):
        which, piece = table[code].nonzero(as_tuple=True)
        local = corners[code[which, piece], :size]  # (N, size) of the six edges
        ids = edge_ids[pieces[piece].gather(1, local), which[:, None]].long()
        flags[ids.reshape(-1)] = True
        picked.append(ids)
    crossed = flags.nonzero().squeeze(1)
    number = torch.empty(len(grid.edges), dtype=torch.int64, device=device)
    number[crossed] = torch.arange(len(crossed), device=device)
    return (number[picked[0]], number[picked[1]]), crossed


def _split_quads(points: torch.Tensor, triangles: torch.Tensor, quads: torch.Tensor) -> torch.Tensor:
    a, b, c, d = quads.unbind(1)
    first = (points[a] - points[c]).square().sum(1) <= (points[b] - points[d]).square().sum(1)
    one = torch.where(first[:, None], torch.stack((a, b, c), 1), torch.stack((a, b, d), 1))
    two = torch.where(first[:, None], torch.stack((a, c, d), 1), torch.stack((b, c, d), 1))
    return torch.cat((triangles, one, two))
