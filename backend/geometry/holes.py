# SPDX-License-Identifier: GPL-3.0-or-later
"""A rim becomes a disc of triangles: least area first, then as fine as the mesh around it.

The polygon of a rim is triangulated by dynamic programming (Barequet and Sharir 1995; Liepa 2003, section 3), long
ones coarsely first and then between the coarse corners. Edges that exist elsewhere are split, so that a manifold stays
one. Then long edges are split, edges flipped towards Delaunay and the inner vertices evened out until the lengths are
those that the rim's own vertices have on average, blended inwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from backend.geometry.mesh import face_vectors, half_edge_keys
from backend.geometry.remesh import collapse, edge_table, flip_edges, independent, link_condition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_POINTS = 96  # of a polygon that is solved at once: the work grows with the third power
TIE = 1e-3  # weight of a triangle's longest side squared beside its area: flat rims get short chords
SPLIT, MERGE = 1.5, 0.55  # edges beyond these multiples of the wanted length are split or drawn together
ROUNDS = 12
EVEN_ROUNDS = 3  # steps of evening out after each round


def triangulate(points: Floats, same: Ints | None = None) -> Ints:
    """(n - 2, 3) corners of triangles over a closed polygon (n, 3), running along it as it runs: of all triangulations
    the one of least area. `same` (n,) tells corners that are one vertex by equal numbers; no edge connects two of them.
    Raises ValueError below three corners, and where such corners leave no way.
    """
    count = len(points)
    if count < 3:
        raise ValueError(f"a polygon of {count} corners has no triangle")
    names = np.arange(count) if same is None else same
    if (names == np.roll(names, 1)).any():
        raise ValueError("two corners in a row are the same vertex")
    if count <= MOST_POINTS:
        return _least_area(points, names)
    # Corners at even steps along the way, first by themselves, then what lies between two of them.
    corners = np.unique(np.linspace(0, count, MOST_POINTS // 2, endpoint=False).astype(np.int64))
    parts = [corners[triangulate(points[corners], names[corners])]]
    for first, last in zip(corners, np.r_[corners[1:], count], strict=True):
        between = np.arange(first, last + 1) % count
        if len(between) > 2:
            parts.append(between[triangulate(points[between], names[between])])
    return np.concatenate(parts)


def collared(points: Floats) -> tuple[Floats, Ints]:
    """(new points (n, 3), faces into corners and new points) of a ring of triangles within a closed polygon and a disc
    in that: no edge connects two corners, so this closes any rim, however often it meets itself."""
    count = len(points)
    inner = 0.5 * (points + points.mean(0))
    here, after = np.arange(count), np.roll(np.arange(count), -1)
    ring = np.concatenate([np.stack(x, 1) for x in ((here, after, count + here), (after, count + after, count + here))])
    return inner, np.concatenate((ring, count + triangulate(inner)))


def _least_area(points: Floats, names: Ints) -> Ints:
    """All spans of one length at a time: cost[i, j] is the least cost of the polygon i, i + 1, ... j."""
    count = len(points)
    gap = points[:, None] - points
    square = (gap**2).sum(2)
    cost = np.zeros((count, count))
    choice = np.zeros((count, count), np.int64)
    barred = names[:, None] == names
    for span in range(2, count):
        i = np.arange(count - span)[:, None]
        j = i + span
        k = i + np.arange(1, span)
        cross = np.cross(gap[k, i], gap[j, i])
        area = 0.5 * np.sqrt((cross**2).sum(2))
        longest = np.maximum(np.maximum(square[i, j], square[i, k]), square[k, j])
        total = area + TIE * longest + cost[i, k] + cost[k, j]
        total = np.where(barred[i, k] | barred[k, j], np.inf, total)
        if span < count - 1:
            total = np.where(barred[i, j], np.inf, total)
        best = total.argmin(1)
        row = np.arange(count - span)
        cost[row, row + span] = total[row, best]
        choice[row, row + span] = row + 1 + best
    if not np.isfinite(cost[0, count - 1]):
        raise ValueError("the polygon meets itself too often to be triangulated")
    faces = []
    todo = [(0, count - 1)]
    while todo:
        low, high = todo.pop()
        if high - low < 2:
            continue
        middle = int(choice[low, high])
        faces.append((low, middle, high))
        todo += [(low, middle), (middle, high)]
    return np.array(faces, np.int64)


def split_edges(vertices: Floats, faces: Ints, wanted: Ints) -> tuple[Floats, Ints, Ints]:
    """Split the edges with keys `low * V + high` in `wanted` in their middles: (vertices, faces, parents (n, 2) of the
    new vertices). Faces become two, three or four.
    """
    count = len(vertices)
    wanted = np.unique(wanted)
    if not len(wanted):
        return vertices, faces, np.zeros((0, 2), np.int64)
    keys = half_edge_keys(faces, count)[0].reshape(-1, 3)
    place = np.searchsorted(wanted, keys).clip(max=len(wanted) - 1)
    marked = wanted[place] == keys
    middle = np.where(marked, count + place, -1)
    parents = np.stack((wanted // count, wanted % count), 1)
    grown = np.concatenate((vertices, vertices[parents].mean(1)))
    # Turned so that the pattern of marks is one of four: none, the first side, the first two, all.
    number = marked.sum(1)
    turn = np.where(number == 1, marked.argmax(1), np.where(number == 2, (marked.argmin(1) + 1) % 3, 0))
    order = (turn[:, None] + np.arange(3)) % 3
    (a, b, c) = np.take_along_axis(faces, order, 1).T
    (p, q, r) = np.take_along_axis(middle, order, 1).T
    one, two, three = (number == k for k in (1, 2, 3))
    parts = [faces[number == 0]]
    parts += [np.stack(x, 1)[one] for x in ((a, p, c), (p, b, c))]
    # The quadrilateral a p q c is cut along its shorter diagonal.
    short = np.zeros(len(faces), bool)
    rows = np.flatnonzero(two)
    short[rows] = (np.linalg.norm(grown[a[rows]] - grown[q[rows]], axis=1)
                   <= np.linalg.norm(grown[p[rows]] - grown[c[rows]], axis=1))
    parts += [np.stack((p, b, q), 1)[two]]
    parts += [np.stack(x, 1)[two & short] for x in ((a, p, q), (a, q, c))]
    parts += [np.stack(x, 1)[two & ~short] for x in ((a, p, c), (p, q, c))]
    parts += [np.stack(x, 1)[three] for x in ((a, p, r), (p, b, q), (r, q, c), (p, q, r))]
    return grown, np.concatenate(parts), parents


def clashes(faces: Ints, count: int, rim: Bools, joined: Ints) -> Ints:
    """Keys of the inner edges of a patch that would spoil a manifold: more than two of its faces have them, or they
    connect two rim vertices (count,) that the mesh connects already (`joined`, sorted keys)."""
    keys, _ = half_edge_keys(faces, count)
    unique, uses = np.unique(keys, return_counts=True)
    place = np.searchsorted(joined, unique).clip(max=max(len(joined) - 1, 0))
    known = joined[place] == unique if len(joined) else np.zeros(len(unique), bool)
    low, high = unique // count, unique % count
    return unique[(uses > 2) | ((uses == 2) & known & rim[low] & rim[high])]


def refine(
    vertices: Floats, faces: Ints, fixed: int, wanted: Floats, joined: Ints, flat: bool
) -> tuple[Floats, Ints]:
    """A patch whose edges are about as long as its vertices want (V,).

    The first `fixed` vertices are the rim's and stay, as do edges with one face. joined: sorted keys of the edges that
    the mesh has between rim vertices, numbered as here, with `low * 2^32 + high`. flat: the patch is plane, so flips
    must not turn a face over.
    """
    least = 0.2 if flat else -0.2
    for _ in range(ROUNDS):
        count = len(vertices)
        faces = flip_edges(vertices, faces, 6, least, barred=_rekeyed(joined, count))
        table = edge_table(faces, count)
        length = np.linalg.norm(vertices[table.ends[:, 0]] - vertices[table.ends[:, 1]], axis=1)
        ratio = length / wanted[table.ends].mean(1)
        # The longest first: what half of it would do is not split in the same round.
        long = ratio > max(SPLIT, 0.5 * float(ratio.max(initial=0.0)))
        if not long.any():
            break
        low, high = np.sort(table.ends[long], axis=1).T
        vertices, faces, parents = split_edges(vertices, faces, low * count + high)
        wanted = np.concatenate((wanted, wanted[parents].mean(1)))
        count = len(vertices)
        faces = flip_edges(vertices, faces, 6, least, barred=_rekeyed(joined, count))
        vertices = even_out(vertices, faces, fixed)
    vertices, faces, wanted = _merge_short(vertices, faces, fixed, wanted)
    faces = flip_edges(vertices, faces, 6, least, barred=_rekeyed(joined, len(vertices)))
    return even_out(vertices, faces, fixed), faces


def _rekeyed(joined: Ints, count: int) -> Ints:
    """Keys `low * 2^32 + high` as `low * count + high`."""
    return (joined >> 32) * count + (joined & 0xFFFFFFFF)


def even_out(vertices: Floats, faces: Ints, fixed: int, rounds: int = EVEN_ROUNDS) -> Floats:
    """Inner vertices halfway towards the mean of their neighbours, `rounds` times; what would turn a face by more than
    80 degrees is taken back."""
    count = len(vertices)
    a, b = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    links = csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    mean = diags(1.0 / np.maximum(np.asarray(links.sum(1)).ravel(), 1e-12)) @ links
    for _ in range(rounds):
        moved = 0.5 * (vertices + mean @ vertices)
        moved[:fixed] = vertices[:fixed]
        before, after = face_vectors(vertices, faces), face_vectors(moved, faces)
        size = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        turned = (before * after).sum(1) < 0.17 * size
        back = np.unique(faces[turned])
        moved[back] = vertices[back]
        vertices = moved
    return vertices


def _merge_short(vertices: Floats, faces: Ints, fixed: int, wanted: Floats) -> tuple[Floats, Ints, Floats]:
    """Edges between inner vertices that are too short are drawn together, one round of independent ones."""
    count = len(vertices)
    table = edge_table(faces, count)
    length = np.linalg.norm(vertices[table.ends[:, 0]] - vertices[table.ends[:, 1]], axis=1)
    short = (length < MERGE * wanted[table.ends].mean(1)) & (table.ends >= fixed).all(1)
    which = np.flatnonzero(short)
    which = which[link_condition(table, count, which)] if len(which) else which
    if not len(which):
        return vertices, faces, wanted
    ends = table.ends[which[np.argsort(length[which], kind="stable")]]
    ends = ends[independent(ends, table, count)]
    vertices, faces = collapse(vertices, faces, ends, vertices[ends].mean(1))
    used = np.zeros(count, bool)
    used[:fixed] = True
    used[faces] = True
    number = np.cumsum(used) - 1
    return vertices[used], number[faces], wanted[used]
