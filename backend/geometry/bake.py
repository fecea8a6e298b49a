# SPDX-License-Identifier: GPL-3.0-or-later
"""From a colour that is known in space to a picture on the surface: texel positions, baking, margins, and seams
measured.

Every texel that a chart touches, if only with its rim, is given the nearest point of the surface, so that bilinear
lookups at a seam never read an unpainted texel; everything between the charts then takes the nearest painted colour,
so that smaller mip levels stay clean too. Pictures are H x W x C, top row first; UVs have v up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from backend.geometry.charts import face_graph
from backend.geometry.distance import closest_on_triangles
from backend.geometry.mesh import Mesh, face_normals, vertex_normals
from backend.geometry.raster_2d import barycentric, cover
from backend.geometry.uv_quality import uv_charts

# points (N, 3) float32 to colours (N, C) in 0..1
ColourFunction = Callable[[NDArray[np.float32]], NDArray[np.floating]]


@dataclass(frozen=True, eq=False)
class TexelMap:
    """The surface under a texture: for the N touched texels in row-major order, rows (N,), columns (N,), face (N,)
    int32, barycentric (N, 3) float32 (clamped to the face), points (N, 3) and normals (N, 3) float32. size is the
    side in texels; inside (N,) tells texels whose centre is on the chart from those it only brushes.
    """

    size: int
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    face: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    inside: NDArray[np.bool_]

    def picture(self, values: NDArray[np.floating], empty: float = 0.0) -> NDArray[np.float32]:
        """(size, size, C) picture with `values` (N, C) at the touched texels and `empty` elsewhere."""
        result = np.full((self.size, self.size, values.shape[1]), empty, np.float32)
        result[self.rows, self.columns] = values
        return result

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(size, size) texels that any chart touches."""
        result = np.zeros((self.size, self.size), bool)
        result[self.rows, self.columns] = True
        return result


def texel_map(mesh: Mesh, size: int) -> TexelMap:
    """Which point of the surface does each texel show? Smooth normals come from the vertices."""
    if mesh.uvs is None:
        raise ValueError("this mesh has no UVs to bake to: unwrap it first")
    triangles = mesh.uvs.astype(np.float64).reshape(-1, 3, 2) * size
    triangles[:, :, 1] = size - triangles[:, :, 1]
    face, x, y = cover(triangles, size, size)
    owner = np.full(size * size, -1, np.int64)
    # Overlap is not expected; where it happens, the lowest face wins, whatever the order.
    owner[(y * size + x)[::-1]] = face[::-1]
    weights = np.zeros((size * size, 3))
    filled = np.flatnonzero(owner >= 0)
    weights[filled] = barycentric(triangles, owner[filled], filled % size, filled // size)
    centred = owner >= 0
    face, x, y = cover(triangles, size, size, conservative=True)
    rim = ~centred[y * size + x]
    face, at = face[rim], (y * size + x)[rim]
    if len(face):
        centre = np.stack((at % size + 0.5, at // size + 0.5), 1)
        a, b, c = (triangles[face, i] for i in range(3))
        nearest, share = closest_on_triangles(centre, a, b, c)
        gap = ((nearest - centre) ** 2).sum(1)
        # The nearest face of each texel, the lowest among equals.
        order = np.lexsort((face, gap, at))
        first = order[np.r_[True, at[order][1:] != at[order][:-1]]]
        owner[at[first]], weights[at[first]] = face[first], share[first]
    texels = np.flatnonzero(owner >= 0)
    face, share = owner[texels], weights[texels]
    corners = mesh.faces[face]
    points = (mesh.vertices[corners].astype(np.float64) * share[:, :, None]).sum(1)
    smooth = vertex_normals(mesh.vertices, mesh.faces).astype(np.float64)
    normals = (smooth[corners] * share[:, :, None]).sum(1)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    flat = face_normals(mesh.vertices, mesh.faces)[face]
    normals = np.where(length > 1e-6, normals / np.maximum(length, 1e-6), flat)
    return TexelMap(
        size,
        (texels // size).astype(np.int32),
        (texels % size).astype(np.int32),
        face.astype(np.int32),
        share.astype(np.float32),
        points.astype(np.float32),
        normals.astype(np.float32),
        centred[texels],
    )


def dilate(picture: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Every texel outside `mask` (H, W) takes the colour of the nearest one inside. Nothing painted leaves the
    picture as is.
    """
    if not mask.any() or mask.all():
        return picture.copy()
    index = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return picture[index[0], index[1]]


@dataclass(frozen=True, eq=False)
class Baked:
    """image (size, size, C) float32 in 0..1, every texel filled; texels, the surface under it."""

    image: NDArray[np.float32]
    texels: TexelMap


def bake(mesh: Mesh, colour: ColourFunction, size: int, *, chunk: int = 1 << 17) -> Baked:
    """Ask `colour` at the surface point of every texel, in chunks of points, and lay full margins around the charts."""
    texels = texel_map(mesh, size)
    parts = [np.asarray(colour(texels.points[i : i + chunk]), np.float32) for i in range(0, len(texels.points), chunk)]
    values = np.concatenate(parts) if parts else np.zeros((0, 3), np.float32)
    if not np.isfinite(values).all():
        raise ValueError("the colour field gave values that are not finite while baking")
    picture = texels.picture(np.clip(values, 0.0, 1.0))
    return Baked(dilate(picture, texels.mask).astype(np.float32), texels)


def to_bytes(picture: NDArray[np.floating]) -> NDArray[np.uint8]:
    """0..1 to 0..255, rounded."""
    return np.clip(np.rint(np.asarray(picture, np.float64) * 255.0), 0, 255).astype(np.uint8)


def sample(picture: NDArray[np.floating] | NDArray[np.uint8], uv: NDArray[np.floating]) -> NDArray[np.float64]:
    """Bilinear lookup (N, C) at uv (N, 2) with v up, as a renderer does it: texel centres at halves, edges clamped;
    values as the picture has them.
    """
    height, width = picture.shape[:2]
    x = np.asarray(uv[:, 0], np.float64) * width - 0.5
    y = (1.0 - np.asarray(uv[:, 1], np.float64)) * height - 0.5
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    left, right = np.clip(x0, 0, width - 1), np.clip(x0 + 1, 0, width - 1)
    top, bottom = np.clip(y0, 0, height - 1), np.clip(y0 + 1, 0, height - 1)
    # Only what is read becomes float64: pictures may be large.
    above = picture[top, left] * (1 - fx) + picture[top, right] * fx
    below = picture[bottom, left] * (1 - fx) + picture[bottom, right] * fx
    return above * (1 - fy) + below * fy


@dataclass(frozen=True)
class SeamReport:
    """Colour difference across seams, in 0..1: rms, 95th percentile, share above 4/255; edges is the number of seam
    edges.

    floor is the rms that resampling alone costs at this resolution (the same texture function baked exactly); ratio is
    rms / floor, and 1.5 is the gate (reference, texture and models, section 4.2). Both are nan where no function was
    given.
    """

    rms: float
    p95: float
    share_visible: float
    edges: int
    floor: float
    ratio: float


def seam_error(
    mesh: Mesh, picture: NDArray[np.floating], colour: ColourFunction | None = None, samples: int = 10
) -> SeamReport:
    """Compare both sides of every seam edge at `samples` points, bilinearly. With `colour`, the floor is measured
    too: the same function baked at this size, whose seams show nothing but resampling.
    """
    one, two, _ = seam_samples(mesh, samples)
    if not len(one):
        return SeamReport(0.0, 0.0, 0.0, 0, 0.0, 1.0)
    gap = np.abs(sample(picture, one) - sample(picture, two))
    rms = float(np.sqrt((gap**2).mean()))
    worst = gap.max(1)
    floor = ratio = float("nan")
    if colour is not None:
        exact = bake(mesh, colour, picture.shape[0]).image
        floor = float(np.sqrt(((sample(exact, one) - sample(exact, two)) ** 2).mean()))
        ratio = rms / max(floor, 1e-12)
    return SeamReport(
        rms, float(np.percentile(worst, 95)), float((worst > 4 / 255).mean()), len(one) // samples, floor, ratio
    )


def seam_samples(
    mesh: Mesh, samples: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """(uv on one side (N, 2), on the other (N, 2), corners (N, 2) that own the edge on either side) at the same places
    along all seam edges, `samples` on each."""
    if mesh.uvs is None:
        raise ValueError("this mesh has no UVs, so it has no seams")
    uvs = mesh.uvs.astype(np.float64)
    graph = face_graph(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64))
    one, two = graph.corners.T
    after = [c // 3 * 3 + (c % 3 + 1) % 3 for c in (one, two)]
    split = (np.abs(uvs[one] - uvs[after[1]]) > 1e-6).any(1) | (np.abs(uvs[after[0]] - uvs[two]) > 1e-6).any(1)
    t: NDArray[np.float64] = ((np.arange(samples) + 0.5) / samples)[None, :, None]

    def along(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
        return (start[:, None] * (1 - t) + end[:, None] * t).reshape(-1, start.shape[1])

    # The second side runs against the first.
    corners = np.repeat(np.stack((one[split], two[split]), 1), samples, axis=0)
    return along(uvs[one[split]], uvs[after[0][split]]), along(uvs[after[1][split]], uvs[two[split]]), corners


def level_charts(
    mesh: Mesh, picture: NDArray[np.floating], texels: TexelMap, strength: float = 1.0
) -> NDArray[np.float32]:
    """The picture with one additive offset a chart and channel, chosen by least squares so that seams match best; the
    mean stays. For textures painted from several views; a colour field has no such offsets. Margins are laid anew.
    """
    triangles = np.asarray(mesh.uvs, np.float64).reshape(-1, 3, 2)
    chart, _ = uv_charts(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64), triangles)
    one, two, _ = seam_samples(mesh, 1)
    count = int(chart.max()) + 1
    if not len(one) or count < 2:
        return np.asarray(picture, np.float32)
    size = picture.shape[0]
    owner = np.full((size, size), -1)
    owner[texels.rows, texels.columns] = chart[texels.face]

    def chart_at(uv: NDArray[np.float64]) -> NDArray[np.int64]:
        column = np.clip((uv[:, 0] * size).astype(int), 0, size - 1)
        row = np.clip(((1 - uv[:, 1]) * size).astype(int), 0, size - 1)
        return owner[row, column]

    a, b = chart_at(one), chart_at(two)
    use = (a >= 0) & (b >= 0) & (a != b)
    gap = (sample(picture, two) - sample(picture, one))[use]
    a, b = a[use], b[use]
    system = np.zeros((count, count))
    right = np.zeros((count, picture.shape[2]))
    for i, j, sign in ((a, b, 1.0), (b, a, -1.0)):
        np.add.at(system, (i, i), 1.0)
        np.add.at(system, (i, j), -1.0)
        np.add.at(right, i, sign * gap)
    # The mean offset is free: hold it at zero, lightly, and with it charts without a seam to another.
    offset = np.linalg.solve(system + 1e-3 * np.eye(count), right)
    moved = np.asarray(picture, np.float64).copy()
    moved[texels.rows, texels.columns] += strength * offset[chart[texels.face]]
    return dilate(np.clip(moved, 0.0, 1.0), texels.mask).astype(np.float32)
