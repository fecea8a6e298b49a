# SPDX-License-Identifier: GPL-3.0-or-later
"""UVs that an artist can paint on: few charts, hardly stretched, upright, never overlapping, one texel density.

Three ways. `charts` is ours and the default: segments along creases, flattens all charts together, packs them
upright; linear in the faces where xatlas is worse than quadratic. `xatlas` runs the library in a process of its own
that is ended at a time limit. `box` projects along the axes and cannot fail; it is what the other two fall back to.
Every result is checked by rasterising: overlap and mirrored faces are counted, not assumed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.geometry.charts import (
    ChartLimits,
    FaceGraph,
    absorb_crumbs,
    connected,
    face_graph,
    segment,
    split_charts,
)
from backend.geometry.mesh import Mesh, face_areas, face_normals
from backend.geometry.pack import pack
from backend.geometry.parameterise import Discs, circle, discs, flatten, singular_values
from backend.geometry.raster_2d import cover
from backend.geometry.seams import chart_vertices, slit_open
from backend.geometry.uv_quality import UnwrapReport, measure
from backend.geometry.xatlas_process import XatlasFailed, unwrap_with_xatlas

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

METHODS = ("charts", "xatlas", "box")
# A chart is cut in two when its root mean square stretch (1 where lengths are kept) is beyond this.
MOST_STRETCH = 1.22
MOST_ATTEMPTS = 7
MOST_REPAIRS = 6
CRUMB = 6  # faces: what handing over leaves behind goes to whom it borders most
# A chart with overlaps in more than this share of its faces is cut in two instead of losing them.
PEEL_SHARE = 0.05


def unwrap(
    mesh: Mesh,
    *,
    texture_size: int = 1024,
    margin: int = 3,
    method: str = "charts",
    time_limit: float = 60.0,
    limits: ChartLimits | None = None,
) -> tuple[Mesh, UnwrapReport]:
    """The mesh with UVs (3F, 2) in 0..1, and how good they are.

    margin: texels around every chart that belong to it alone (neighbours are at least twice that apart). time_limit:
    seconds, for xatlas only. Falls back from xatlas to charts, and from charts to box, and says so in the report's
    note.
    """
    if method not in METHODS:
        raise ValueError(f"unknown way to unwrap {method!r}: choose one of {', '.join(METHODS)}")
    if not len(mesh.faces):
        raise ValueError("a mesh without faces cannot be unwrapped")
    note = ""
    share = margin / texture_size
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    if method == "xatlas":
        try:
            triangles, _ = unwrap_with_xatlas(mesh, texture_size, margin, time_limit)
            uvs = triangles.reshape(-1, 2).astype(np.float32)
        except XatlasFailed as failure:
            method, note = "charts", f"{failure}; used our own charts instead"
    scale = np.sqrt(0.7 * texture_size**2 / max(float(face_areas(vertices, faces).sum()), 1e-300))
    if method == "charts":
        try:
            atlas = _Atlas(vertices, faces, limits or ChartLimits(), scale)
            atlas.flatten()
            uvs = atlas.packed(share, texture_size)
        except (RuntimeError, np.linalg.LinAlgError, MemoryError) as failure:
            # SuperLU reports a singular block as a RuntimeError; a projection needs no solving.
            method, note = "box", f"flattening failed ({failure}); projected along the axes instead"
    if method == "box":
        chart, flat = _project(vertices, faces, scale)
        uvs = pack(flat, chart, share)[0].reshape(-1, 2).astype(np.float32)
    result = mesh.with_uvs(uvs)
    return result, measure(result, texture_size, method, note)


def flat_charts(mesh: Mesh, texels_per_unit: float, limits: ChartLimits | None = None) -> tuple[Ints, Floats]:
    """(chart (F,) of each face, triangles (F, 3, 2) in the surface's units): the mesh cut and flattened, upright, but
    not packed, for those who have a place for it already. `texels_per_unit` is the scale at which overlaps count."""
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    try:
        atlas = _Atlas(vertices, faces, limits or ChartLimits(), texels_per_unit)
        atlas.flatten()
        return atlas.chart, _upright(vertices, faces, atlas.chart, atlas.triangles)
    except (RuntimeError, np.linalg.LinAlgError, MemoryError):
        return _project(vertices, faces, texels_per_unit)


class _Atlas:
    """The surface cut into charts and flattened, in the units of the surface: chart (F,), triangles (F, 3, 2).

    Flattening goes on until no chart folds, overlaps itself or stretches too far: stretched ones are cut in two, and
    where a chart's rim runs over itself, the few faces there go to the neighbour. Only charts that changed are
    flattened again.
    """

    def __init__(self, vertices: Floats, faces: Ints, limits: ChartLimits, scale: float) -> None:
        self.vertices, self.faces, self.scale = vertices, faces, scale
        self.graph = face_graph(vertices, faces)
        self.area = face_areas(vertices, faces)
        self.triangles = np.zeros((len(faces), 3, 2))
        # A chart is told from what it was by the sum of its faces' random marks.
        self.marks = np.random.default_rng(0).integers(1, 1 << 40, len(faces))
        self.known = np.zeros(0, np.int64)
        self.attempt = 0
        self.chart = segment(faces, self.graph, limits)

    def flatten(self) -> None:
        """Flatten until nothing is wrong, or the attempts are used up and Tutte's circle settles the rest."""
        while self.attempt < MOST_ATTEMPTS:
            self.chart, seam = slit_open(self.vertices, self.faces, self.graph, self.chart)
            sums = np.zeros(int(self.chart.max()) + 1, np.int64)
            np.add.at(sums, self.chart, self.marks)
            some = np.flatnonzero(~np.isin(sums, self.known)[self.chart])
            self.known = sums
            if not len(some):
                return
            _, corner = chart_vertices(self.faces, self.graph, self.chart, seam)
            inner = np.unique(corner[some], return_inverse=True)[1].reshape(-1, 3)
            part = np.unique(self.chart[some], return_inverse=True)[1].reshape(-1)
            parts = discs(self.vertices, self.faces[some], inner, part)
            uv = flatten(parts)
            troubled = overlapping_faces(uv[parts.corner], part, self.scale)
            self.attempt += 1
            if self.attempt == MOST_ATTEMPTS and troubled.any():
                # Tutte's map cannot overlap: stretched, but valid.
                uv = np.where(np.isin(parts.owner, part[troubled])[:, None], circle(parts), uv)
                troubled[:] = False
            self.triangles[some] = uv[parts.corner]
            if self.attempt < MOST_ATTEMPTS:
                self.mend(some, troubled, _stretched(parts, uv, self.area[some]))

    def mend(self, some: Ints, troubled: Bools, stretched: Bools) -> None:
        """Cut and peel the charts of the faces `some`, where faces are `troubled` or charts (in order) are
        `stretched`.
        """
        label = self.chart
        number = int(label.max()) + 1
        charts = np.unique(label[some])
        size = np.bincount(label, minlength=number)
        trouble = np.bincount(label[some[troubled]], minlength=number)
        split = np.zeros(number, bool)
        split[charts[stretched]] = self.attempt < 5
        # Small ones are not worth cutting for stretch: it is a handful of texels.
        split &= size > 0.002 * len(self.faces)
        split |= trouble > (np.maximum(8, PEEL_SHARE * size) if self.attempt < 3 else 0.5 * size)
        peel = np.zeros(len(self.faces), bool)
        peel[some[troubled]] = True
        label = _peeled(self.graph, label, peel & ~split[label], alone=self.attempt >= 2)
        split &= size > 1
        if split.any():
            label = split_charts(self.vertices, self.faces, self.graph, label, np.flatnonzero(split))
        self.chart = connected(self.graph, label)
        if self.attempt < 3:
            self.chart = absorb_crumbs(self.graph, self.chart, CRUMB)

    def packed(self, share: float, size: int) -> NDArray[np.float32]:
        """(3F, 2) UVs, upright and packed, free of overlap at a texture of `size` and of mirrored faces in float32."""
        for _ in range(MOST_REPAIRS):
            upright = _upright(self.vertices, self.faces, self.chart, self.triangles)
            uvs = pack(upright, self.chart, share)[0].astype(np.float32)
            face, x, y = cover(uvs.astype(np.float64) * size, size, size)
            wrong = np.flatnonzero(_mirrored(uvs) | _sharing(face, y * size + x, len(uvs)))
            if not len(wrong):
                break
            # A few texels that rounding brought together: their faces leave as triangles, the rest stays as it lies.
            alone = np.arange(3 * len(wrong)).reshape(-1, 3)
            self.triangles[wrong] = discs(self.vertices, self.faces[wrong], alone, np.arange(len(wrong))).flat
            self.chart[wrong] = int(self.chart.max()) + 1 + np.arange(len(wrong))
            self.chart = np.unique(self.chart, return_inverse=True)[1].reshape(-1)
        return uvs.reshape(-1, 2)


def _mirrored(triangles: NDArray[np.float32]) -> Bools:
    corners = triangles.astype(np.float64)
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) < 0


def _stretched(parts: Discs, uv: Floats, area: Floats) -> NDArray[np.bool_]:
    """(K,) charts whose root mean square stretch is beyond the limit."""
    larger, smaller = singular_values(parts, uv)
    strain = np.minimum(np.maximum(larger, 1.0 / np.maximum(smaller, 1e-6)), 10.0) ** 2
    total = np.maximum(np.bincount(parts.chart, area, parts.count), 1e-300)
    return np.sqrt(np.bincount(parts.chart, area * strain, parts.count) / total) > MOST_STRETCH


def _peeled(graph: FaceGraph, label: Ints, peel: Bools, alone: bool) -> Ints:
    """Labels with the faces `peel` and their neighbours in the chart handed to the chart across the nearest border;
    where there is none, or they shall be `alone`, they become charts of their own.
    """
    if not peel.any():
        return label
    a, b = graph.pairs.T
    same = label[a] == label[b]
    grown = peel.copy()
    grown[b[same & peel[a]]] = True
    grown[a[same & peel[b]]] = True
    result = np.where(grown, -1, label)
    home = label.copy()
    for _ in range(0 if alone else 6):
        empty = result < 0
        if not empty.any():
            break
        for one, two in ((a, b), (b, a)):
            # From another chart only: handing a face back would change nothing.
            taker = empty[one] & (result[two] >= 0) & (result[two] != home[one])
            result[one[taker]] = result[two[taker]]
    left = np.flatnonzero(result < 0)
    result[left] = label.max() + 1 + label[left]
    return result


def overlapping_faces(triangles: Floats, label: Ints, scale: float) -> Bools:
    """(F,) faces that share a texel with another face of their own chart, every chart looked at alone, at `scale`
    texels per unit.
    """
    low = np.full((int(label.max()) + 1, 2), np.inf)
    for axis in range(2):
        np.minimum.at(low[:, axis], label, triangles[:, :, axis].min(1))
    local = (triangles - low[label][:, None, :]) * scale
    high = int(min(np.ceil(local.max()) + 1, 20_000))
    face, x, y = cover(local, high, high)
    return _sharing(face, (label[face] * high + y) * high + x, len(triangles))


def _sharing(face: Ints, key: Ints, count: int) -> Bools:
    """(count,) faces with a key that another face has too."""
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(key[order][1:] == key[order][:-1])
    result = np.zeros(count, bool)
    result[face[order[twice]]] = True
    result[face[order[twice + 1]]] = True
    return result


def _upright(vertices: Floats, faces: Ints, chart: Ints, triangles: Floats) -> Floats:
    """Each chart turned so that up on the object (+Z; the back, +Y, on level charts) points up in the picture."""
    count = int(chart.max()) + 1
    corners = vertices[faces]
    normals, area = face_normals(vertices, faces), face_areas(vertices, faces)
    total = np.bincount(chart, area, count)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p, q = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    d00, d01, d11 = (a * a).sum(1), (a * b).sum(1), (b * b).sum(1)
    determinant = np.maximum(d00 * d11 - d01 * d01, 1e-300)
    means = []
    for axis in (2, 1):
        up = np.zeros(3)
        up[axis] = 1.0
        along = up - normals * normals[:, axis, None]
        ra, rb = (along * a).sum(1), (along * b).sum(1)
        s, t = (d11 * ra - d01 * rb) / determinant, (d00 * rb - d01 * ra) / determinant
        mapped = (s[:, None] * p + t[:, None] * q) * area[:, None]
        means.append(np.stack([np.bincount(chart, mapped[:, k], count) for k in range(2)], 1) / total[:, None])
    steep = np.linalg.norm(means[0], axis=1) >= 0.35
    up_image = np.where(steep[:, None], means[0], means[1])
    angle = np.pi / 2 - np.arctan2(up_image[:, 1], up_image[:, 0])
    angle[np.linalg.norm(up_image, axis=1) < 1e-9] = 0.0
    cosine, sine = np.cos(angle)[chart][:, None], np.sin(angle)[chart][:, None]
    x, y = triangles[:, :, 0], triangles[:, :, 1]
    return np.stack((cosine * x - sine * y, sine * x + cosine * y), 2)


def _project(vertices: Floats, faces: Ints, scale: float) -> tuple[Ints, Floats]:
    """(chart (F,), triangles (F, 3, 2)): faces by their main direction, connected, each dropped along its axis. Where
    folds of one chart cover each other it is cut until they do not; one face alone never does.
    """
    normals = face_normals(vertices, faces)
    axis = np.abs(normals).argmax(1)
    positive = normals[np.arange(len(faces)), axis] >= 0
    graph = face_graph(vertices, faces)
    label = axis * 2 + positive
    label = connected(graph, label)
    # Right-handed axes in the plane, mirrored for faces that look back along the axis.
    keep = np.array([[1, 2], [2, 0], [0, 1]])[axis]
    corners = vertices[faces]
    u = np.take_along_axis(corners, keep[:, 0, None, None], 2)[:, :, 0] * np.where(positive, 1.0, -1.0)[:, None]
    v = np.take_along_axis(corners, keep[:, 1, None, None], 2)[:, :, 0]
    triangles = np.stack((u, v), 2)
    for _ in range(40):
        bad = np.unique(label[overlapping_faces(triangles, label, scale)])
        bad = bad[np.bincount(label)[bad] > 1]
        if not len(bad):
            break
        label = split_charts(vertices, faces, graph, label, bad)
    return label, triangles
