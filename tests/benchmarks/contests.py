# SPDX-License-Identifier: GPL-3.0-or-later
"""The contests of the speed benchmark: for each piece of work its input, our way, and the ordinary ones.

Every contest takes the number of repeats and gives its races; ours is always the first contestant. Inputs are made
before the clock starts. Bars are those of the issue: hash grid at least 8 times, tetrahedra at least 3 times as fast,
40,000 faces unwrapped in 6 seconds at most.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch

from backend.geometry.mesh import Mesh
from backend.geometry.simplify import simplify
from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid
from tests.benchmarks import ordinary
from tests.benchmarks.timing import Race, race

TETRAHEDRA_CLASS = 128
TETRAHEDRA_BAR = 3.0
UNWRAP_FACES = 40_000
UNWRAP_SECONDS = 6.0


def bumpy(points: torch.Tensor) -> torch.Tensor:
    """Signed distance, about, of a ball with bumps at points (N, 3)."""
    return points.norm(dim=-1) - 0.7 - 0.05 * (8.0 * points).sin().prod(dim=-1)


@functools.cache
def bumpy_mesh(faces: int) -> tuple[np.ndarray, np.ndarray]:
    """A bumpy ball with about `faces` faces: vertices (V, 3) float32 and faces (F, 3) int32, closed and manifold."""
    grid = tetrahedral_grid(max(16, round(0.62 * math.sqrt(faces))))
    surface = marching_tetrahedra(grid, bumpy(grid.vertices))
    fine = Mesh(surface.vertices.numpy(), surface.faces.int().numpy())
    coarse = simplify(fine, faces) if len(fine.faces) > faces else fine
    return coarse.vertices, coarse.faces


def tetrahedra(repeats: int) -> list[Race]:
    """Edges of a tetrahedral grid and marching on it, against the public pure-torch scheme on the same grid."""
    from tests.benchmarks.tetrahedra import row_unique_edges, row_unique_marching

    grid = tetrahedral_grid(TETRAHEDRA_CLASS)
    cells, rest = grid.tetrahedra, grid.vertices
    values = bumpy(rest)

    def ours(sdf: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return marching_tetrahedra(grid, sdf, places).vertices

    def theirs(sdf: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return row_unique_marching(places, cells, -sdf)[0]

    def with_gradients(march: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        sdf, places = values.clone().requires_grad_(), rest.clone().requires_grad_()
        march(sdf, places).square().sum().backward()

    other = "row-unique torch"
    note = "public pure-torch marching tetrahedra, from the DMTet paper; same grid and field"
    bar = {"bar": TETRAHEDRA_BAR, "against": other, "note": note}
    size = f"{TETRAHEDRA_CLASS} class"
    return [
        race(
            f"grid and edges, {size}",
            {
                "ours": lambda: tetrahedral_grid.__wrapped__(TETRAHEDRA_CLASS).edges,
                other: lambda: row_unique_edges(cells),
            },
            max(1, repeats // 2),
            warm=0,
            **bar,
        ),
        race(
            f"marching, {size}",
            {"ours": lambda: ours(values, rest), other: lambda: theirs(values, rest)},
            repeats,
            **bar,
        ),
        race(
            f"marching with gradients, {size}",
            {"ours": lambda: with_gradients(ours), other: lambda: with_gradients(theirs)},
            repeats,
            **bar,
        ),
    ]


def marching_cubes(repeats: int) -> list[Race]:
    """A surface from about as many values of a field, against scikit-image (which has no gradients)."""
    grid = tetrahedral_grid(TETRAHEDRA_CLASS)
    values = bumpy(grid.vertices)
    side = round(len(grid.vertices) ** (1.0 / 3.0))
    axis = torch.linspace(-1.0, 1.0, side)
    cubes = bumpy(torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)).numpy()
    return [
        race(
            f"surface of {len(values):,} values",
            {
                "ours": lambda: marching_tetrahedra(grid, values),
                "scikit-image": lambda: ordinary.scikit_marching_cubes(cubes),
            },
            repeats,
            note=f"marching_cubes on {side}^3 values; marching tetrahedra make more faces of as many values",
        )
    ]


def volume(repeats: int) -> list[Race]:
    """A 64-pixel picture of a radiance field at 256 steps, forward and backward, occupancy known."""
    from backend.fields.occupancy import OccupancyGrid
    from backend.fields.radiance import RadianceConfig, RadianceField
    from backend.kernels.hash_grid import HashGridConfig
    from backend.render.cameras import orbit_degrees
    from backend.render.volume import VolumeOptions, render_volume

    config = RadianceConfig(HashGridConfig(levels=8, log2_table_size=15, base_resolution=8, growth=1.4), hidden=32)
    field = RadianceField(config, torch.Generator().manual_seed(1))
    occupancy = OccupancyGrid()
    occupancy.update(field.density, torch.Generator().manual_seed(2))
    cameras = orbit_degrees([0.0, 120.0], 20.0, 64)
    # 256 steps along the cube's diagonal; the dense way takes as many along each ray's way through the cube.
    fine = VolumeOptions(samples=256)

    def ours() -> None:
        render_volume(field, occupancy, cameras, fine).colour.square().sum().backward()

    def theirs() -> None:
        ordinary.dense_volume(field, cameras, 256).square().sum().backward()

    note = "NeRF's own scheme: every sample of every ray; the same field, so our hash grid in both"
    ways = {"ours": ours, "dense sampling": theirs}
    return [race("two 64-pixel volume renders with gradients", ways, repeats, note=note)]


def raster(repeats: int) -> list[Race]:
    """Which face each pixel sees."""
    from backend.render.cameras import orbit_degrees
    from backend.render.raster import WarpRasteriser

    vertices, faces = (torch.from_numpy(part) for part in bumpy_mesh(4000))
    cameras = orbit_degrees([0.0], 20.0, 64)
    return [
        race(
            f"one 64-pixel view of {len(faces):,} faces",
            {
                "ours": lambda: WarpRasteriser().rasterise(vertices, faces, cameras),
                "pure torch": lambda: ordinary.every_pixel_every_face(vertices, faces, cameras),
            },
            repeats,
            note="edge functions of every face at every pixel",
        )
    ]


def rays(repeats: int) -> list[Race]:
    """Distance to a mesh along many rays, building the hierarchy included."""
    from backend.kernels.ray_cast import RayCaster
    from backend.render.cameras import orbit_degrees

    vertices, faces = (torch.from_numpy(part) for part in bumpy_mesh(4000))
    origins, directions = (part.reshape(-1, 3).contiguous() for part in orbit_degrees([30.0], 20.0, 32).rays())
    return [
        race(
            f"{len(origins):,} rays against {len(faces):,} faces",
            {
                "ours": lambda: RayCaster(vertices, faces).cast(origins, directions),
                "pure torch": lambda: ordinary.every_ray_every_face(origins, directions, vertices, faces),
            },
            repeats,
            note="Moeller and Trumbore's test for every pair",
        )
    ]


def simplifying(repeats: int) -> list[Race]:
    """A quarter of the faces; ours keeps the mesh closed and manifold, which is checked in its own tests."""
    vertices, faces = bumpy_mesh(UNWRAP_FACES)
    budget = len(faces) // 4
    return [
        race(
            f"simplify {len(faces):,} faces to {budget:,}",
            {
                "ours": lambda: simplify(Mesh(vertices, faces), budget),
                "fast-simplification": lambda: ordinary.plain_decimation(vertices, faces, budget),
            },
            max(1, repeats // 2),
            note="a C++ decimator that does not test whether a collapse keeps the mesh manifold",
        )
    ]


def unwrapping(repeats: int) -> list[Race]:
    """UVs of a mesh of 40,000 faces: ours, checked for overlaps as it is delivered, against xatlas called plainly."""
    from backend.geometry.unwrap import unwrap

    vertices, faces = bumpy_mesh(UNWRAP_FACES)
    return [
        race(
            f"unwrap {len(faces):,} faces",
            {
                "ours": lambda: unwrap(Mesh(vertices, faces)),
                "plain xatlas": lambda: ordinary.plain_xatlas(vertices, faces),
            },
            max(1, repeats // 4),
            warm=0,
            limit=UNWRAP_SECONDS,
            note="xatlas.parametrize with default options",
        )
    ]


def objects(repeats: int) -> list[Race]:
    """Ground truth: one traced 32-pixel picture of an object against a mesh of it that is rasterised."""
    from backend.embedded.objects import held_out_prompts, render

    _, thing = held_out_prompts(1, 1)[0]
    turns = np.linspace(0.0, 2.0 * math.pi, 64, endpoint=False)
    work = {"ours": lambda: render([thing] * 64, turns, np.zeros(64), np.ones(64), 32)}
    return [race("64 traced 32-pixel pictures of an object", work, repeats)]
