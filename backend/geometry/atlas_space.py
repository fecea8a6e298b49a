# SPDX-License-Identifier: GPL-3.0-or-later
"""New charts in an atlas that is in use: where there is room for them without touching a texel of what is there.

Faces that were added to a mesh get charts of their own, flattened at the texel density of their surroundings, and
each is set down where neither a chart that stays nor its margin lies; space that removed faces left comes first, then
whatever is empty. Where there is no room the picture grows to twice its size on one side, with the old one in its
lower left corner, so that old UVs are multiplied by a half, which is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.signal import fftconvolve

from backend.geometry.fairing import fair
from backend.geometry.mesh import Mesh, compact, face_areas
from backend.geometry.raster_2d import cover
from backend.geometry.unwrap import flat_charts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MARGIN = 4  # texels around a chart that are its own
CELLS = 1024  # cells along the longer side in which a place is looked for, at most
LARGEST = 16_384  # texels along a side


class NoRoom(ValueError):
    """The picture cannot grow any more."""


@dataclass(frozen=True, eq=False)
class Placed:
    """uvs (F, 3, 2) float32 of all faces in the new picture; width and height of it; scale (2,) by which old UVs were
    multiplied; row at which the old picture begins in it; charts, how many were set down; taken (height, width) bool,
    texels of old charts and their margins.
    """

    uvs: NDArray[np.float32]
    width: int
    height: int
    scale: tuple[float, float]
    row: int
    charts: int
    taken: Bools


def place_charts(
    mesh: Mesh, old_uvs: NDArray[np.float32], fresh: Bools, left: NDArray[np.float32], width: int, height: int
) -> Placed:
    """UVs for the faces `fresh` (F,) of a mesh whose other faces have `old_uvs` (F, 3, 2; those of fresh faces mean
    nothing). left (n, 3, 2): UVs of faces that are gone. width, height: of the picture. Raises NoRoom.
    """
    chart, flat = _flattened(mesh, old_uvs, fresh, width, height)
    size, scale = np.array([width, height]), np.ones(2)
    while True:
        taken = _covered(old_uvs[~fresh] * scale, size)
        grown = binary_dilation(taken, np.ones((3, 3), bool), iterations=MARGIN)
        places = _set_down(chart, flat, grown, _covered(left * scale, size) & ~grown)
        if places is not None:
            break
        side = int(np.argmin(size))
        size[side] *= 2
        scale[side] *= 0.5
        if size.max() > LARGEST:
            raise NoRoom(f"a texture of {size[0]} x {size[1]} texels would be needed")
    uvs = (old_uvs * scale).astype(np.float32)
    place = flat + places[chart][:, None]
    uvs[fresh] = np.stack((place[..., 0], size[1] - place[..., 1]), -1) / size
    count = int(chart.max()) + 1
    return Placed(uvs, int(size[0]), int(size[1]), (float(scale[0]), float(scale[1])), int(size[1]) - height, count,
                  grown)


def continued_uvs(mesh: Mesh, old_uvs: NDArray[np.float32], fresh: Bools) -> NDArray[np.float32]:
    """(F, 3, 2) UVs with those of fresh faces continued over the surface from the faces around them: for textures that
    repeat, where a chart of its own would show another part of the pattern. Where a seam runs into the rim, the side
    that most of the rim lies on decides."""
    faces = mesh.faces.astype(np.int64)
    count = len(mesh.vertices)
    inner = np.zeros(count, bool)
    inner[faces[fresh]] = True
    ring = ~fresh & inner[faces].any(1)
    inner[faces[~fresh]] = False
    near = fresh | ring
    corner, uv = faces[ring].ravel(), old_uvs[ring].reshape(-1, 2).astype(np.float64)
    gap = np.linalg.norm(uv - np.median(uv, axis=0), axis=1)
    order = np.lexsort((gap, corner))
    first = order[np.r_[True, corner[order][1:] != corner[order][:-1]]]
    values = np.zeros((count, 2))
    values[corner[first]] = uv[first]
    used, local = np.unique(faces[near], return_inverse=True)
    solved = fair(mesh.vertices[used].astype(np.float64), local.reshape(-1, 3), inner[used], 2, values[used])
    values[used] = solved
    result = old_uvs.copy()
    result[fresh] = values[faces[fresh]].astype(np.float32)
    return result


def _flattened(
    mesh: Mesh, old_uvs: NDArray[np.float32], fresh: Bools, width: int, height: int
) -> tuple[Ints, Floats]:
    """(chart (n,) of each fresh face, triangles (n, 3, 2) in texels, y down, each chart's box at its origin)."""
    vertices, faces = compact(mesh.vertices, mesh.faces[fresh])
    density = texel_density(mesh, old_uvs, fresh, width, height)
    chart, flat = flat_charts(Mesh(vertices, faces), density)
    flat = flat * density * np.array([1.0, -1.0])
    count = int(chart.max()) + 1
    low = np.full((count, 2), np.inf)
    for axis in range(2):
        np.minimum.at(low[:, axis], chart, flat[:, :, axis].min(1))
    return chart, flat - low[chart][:, None]


def texel_density(mesh: Mesh, uvs: NDArray[np.float32], fresh: Bools, width: int, height: int) -> float:
    """Texels per unit of length on the faces around the fresh ones; on all others where none is around them."""
    touched = np.zeros(len(mesh.vertices), bool)
    touched[mesh.faces[fresh]] = True
    near = touched[mesh.faces].any(1) & ~fresh
    area = face_areas(mesh.vertices, mesh.faces)
    corners = uvs.astype(np.float64) * np.array([width, height])
    covered = 0.5 * np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    for some in (near, ~fresh):
        if covered[some].sum() > 0 and area[some].sum() > 0:
            return float(np.sqrt(covered[some].sum() / area[some].sum()))
    return float(min(width, height) / max(mesh.diagonal, 1e-30) / 4.0)


def _covered(uvs: NDArray[np.floating], size: Ints) -> Bools:
    """(height, width) texels that triangles (n, 3, 2) touch."""
    width, height = (int(one) for one in size)
    result = np.zeros((height, width), bool)
    if len(uvs):
        corners = uvs.astype(np.float64) * size
        corners[..., 1] = height - corners[..., 1]
        _, x, y = cover(corners, width, height, conservative=True)
        result[y, x] = True
    return result


def _set_down(chart: Ints, flat: Floats, taken: Bools, freed: Bools) -> Floats | None:
    """(K, 2) places of the charts' boxes in texels, the largest first; None when one finds none."""
    step = -(-max(taken.shape) // CELLS)
    full, wanted = _pooled(taken, step), _pooled(freed, step).astype(np.float32)
    count = int(chart.max()) + 1
    extent = np.zeros((count, 2))
    for axis in range(2):
        np.maximum.at(extent[:, axis], chart, flat[:, :, axis].max(1))
    places = np.zeros((count, 2))
    for one in np.argsort(-extent.prod(1), kind="stable"):
        # A margin of its own on all sides, so the chart begins that far inside its stamp.
        border = MARGIN + 1
        columns, rows = (int(np.ceil((side + 2 * border) / step)) + 1 for side in extent[one])
        triangles = (flat[chart == one] + border) / step
        stamp = np.zeros((rows, columns), bool)
        _, x, y = cover(triangles, columns, rows, conservative=True)
        stamp[y, x] = True
        stamp = binary_dilation(stamp, np.ones((3, 3), bool), iterations=-(-border // step))
        at = _best_place(full, wanted, stamp)
        if at is None:
            return None
        row, column = at
        full[row : row + rows, column : column + columns] |= stamp
        places[one] = (column * step + border, row * step + border)
    return places


def _best_place(full: Bools, wanted: NDArray[np.float32], stamp: Bools) -> tuple[int, int] | None:
    """(row, column) where the stamp hits nothing taken and as much of what is wanted as possible."""
    if stamp.shape[0] > full.shape[0] or stamp.shape[1] > full.shape[1]:
        return None
    turned = stamp[::-1, ::-1].astype(np.float32)
    hits = fftconvolve(full.astype(np.float32), turned, mode="valid")
    free = hits < 0.5
    if not free.any():
        return None
    liked = np.rint(fftconvolve(wanted, turned, mode="valid")) if wanted.any() else np.zeros_like(hits)
    liked = np.where(free, liked, -1.0)
    row, column = np.unravel_index(int(liked.argmax()), liked.shape)
    return int(row), int(column)


def _pooled(mask: Bools, step: int) -> Bools:
    """Cells of step x step texels in which any is set; a last cell that is not whole counts as set."""
    height, width = mask.shape
    rows, columns = -(-height // step), -(-width // step)
    padded = np.ones((rows * step, columns * step), bool)
    padded[:height, :width] = mask
    return padded.reshape(rows, step, columns, step).any((1, 3))
