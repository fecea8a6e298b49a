# SPDX-License-Identifier: GPL-3.0-or-later
"""How good are a mesh's UVs? Judged by the triangles alone, whoever made them: overlap, mirroring, stretch, density,
seams.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from backend.geometry.charts import face_graph
from backend.geometry.mesh import Mesh, face_areas
from backend.geometry.parameterise import discs, singular_values
from backend.geometry.raster_2d import cover

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class UnwrapReport:
    """How good an unwrap is.

    stretch: root mean square over the surface of max(longer, 1 / shorter) scale against the mean density, 1 is
    isometric. stretch_95: its 95th percentile by area. utilisation: share of the square that is covered.
    overlap_texels: texels of `texture_size` covered twice. flipped_faces: mirrored. texel_density: texels per unit of
    surface length. density_spread: relative deviation of the density between charts. seam_length: length of all seams
    over the diagonal.
    """

    method: str
    charts: int
    stretch: float
    stretch_95: float
    utilisation: float
    overlap_texels: int
    flipped_faces: int
    texel_density: float
    density_spread: float
    seam_length: float
    texture_size: int
    note: str = ""

    def to_map(self) -> dict[str, float | int | str]:
        """Plain values for a job's report."""
        return asdict(self)


def measure(mesh: Mesh, texture_size: int, method: str = "", note: str = "") -> UnwrapReport:
    """Judge the UVs of any mesh that has them, by its triangles alone."""
    if mesh.uvs is None:
        raise ValueError("this mesh has no UVs to measure")
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    triangles = mesh.uvs.astype(np.float64).reshape(-1, 3, 2)
    signed = 0.5 * np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = face_areas(vertices, faces)
    density = np.sqrt(max(float(np.abs(signed).sum()), 1e-300) / max(float(area.sum()), 1e-300))
    _, x, y = cover(triangles * texture_size, texture_size, texture_size)
    uses = np.bincount(y * texture_size + x, minlength=texture_size * texture_size)
    chart, seam_length = uv_charts(vertices, faces, triangles)
    number = int(chart.max()) + 1
    identity = np.arange(3 * len(faces)).reshape(-1, 3)
    larger, smaller = singular_values(discs(vertices, faces, identity, np.arange(len(faces))), triangles.reshape(-1, 2))
    strain = np.maximum(larger / density, density / np.maximum(smaller, 1e-9))
    strain = np.minimum(strain, 100.0)
    order = np.argsort(strain)
    share = np.cumsum(area[order]) / area.sum()
    per_chart = np.sqrt(
        np.bincount(chart, np.abs(signed), number) / np.maximum(np.bincount(chart, area, number), 1e-300)
    )
    weight = np.bincount(chart, area, number) / area.sum()
    return UnwrapReport(
        method=method,
        charts=number,
        stretch=float(np.sqrt((area * strain**2).sum() / area.sum())),
        stretch_95=float(strain[order][np.searchsorted(share, 0.95)]),
        utilisation=float((uses > 0).mean()),
        overlap_texels=int((uses > 1).sum()),
        flipped_faces=int((signed < 0).sum()),
        texel_density=float(density * texture_size),
        density_spread=float(np.sqrt((weight * (per_chart / density - 1.0) ** 2).sum())),
        seam_length=seam_length / max(mesh.diagonal, 1e-300),
        texture_size=texture_size,
        note=note,
    )


def uv_charts(vertices: Floats, faces: Ints, triangles: Floats) -> tuple[Ints, float]:
    """((F,) chart of each face, length of the seams on the surface): faces are one chart where they share an edge
    with the same UVs on both sides.
    """
    graph = face_graph(vertices, faces)
    flat = triangles.reshape(-1, 2)
    one, two = graph.corners.T

    def following(corner: Ints) -> Ints:
        return corner // 3 * 3 + (corner % 3 + 1) % 3

    # float32 UVs of neighbours come from the same double, so equality is exact for ours; a whisker for others.
    same = (np.abs(flat[one] - flat[following(two)]) < 1e-6).all(1)
    same &= (np.abs(flat[following(one)] - flat[two]) < 1e-6).all(1)
    label = np.arange(len(faces))
    kept = graph.pairs[same]
    if len(kept):
        links = coo_matrix((np.ones(len(kept), np.int8), (kept[:, 0], kept[:, 1])), shape=(len(faces), len(faces)))
        label = connected_components(links, directed=False)[1].astype(np.int64)
    return label, float(graph.length[~same].sum())
