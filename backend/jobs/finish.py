# SPDX-License-Identifier: GPL-3.0-or-later
"""From a surface to an asset: clean, simplify, unwrap, bake, the numbers that say how it went, and a portrait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureField
from backend.geometry.bake import TexelMap, bake
from backend.geometry.clean import clean
from backend.geometry.health import check
from backend.geometry.mesh import Mesh, edges_and_corners, vertex_normals
from backend.geometry.simplify import simplify
from backend.geometry.unwrap import unwrap
from backend.jobs.presets import Finish
from backend.jobs.previews import png, to_bytes, to_metres
from backend.jobs.views import turntable
from backend.render.lighting import shade
from backend.render.raster import Rasteriser
from backend.texturing.textured import pictures_of

SMOOTHING = 6  # rounds of Taubin smoothing: takes the grid's steps off, keeps the volume
THUMBNAIL = 256  # pixels
COLOUR_CHUNK = 1 << 17  # points per call of the texture field


@dataclass(frozen=True)
class Asset:
    """A finished mesh in field units with UVs (Mesh), its base colour (S, S, 3) uint8, `facts` for the report, and the
    surface under each texel where it is known."""

    mesh: Mesh
    base_colour: NDArray[np.uint8]
    facts: dict[str, Any]
    texels: TexelMap | None = None


def finish(
    surface: TetrahedralSDF,
    texture: TextureField,
    settings: Finish,
    texture_size: int,
    tell: Callable[[float, str], None],
    warn: Callable[[str], None],
) -> Asset:
    """Makes the asset. `tell(share, message)` reports and may raise Cancelled; `warn` collects what the user should
    know. `texture_size` in pixels, 0 for the preset's."""
    device = texture.table.device
    with torch.no_grad():
        vertices, faces = surface.surface()
    raw = Mesh(vertices.cpu().numpy(), faces.cpu().numpy().astype(np.int32))
    tell(0.05, "cleaning the surface")
    cleaned, report = clean(raw, smoothing=SMOOTHING)
    if report.parts_dropped:
        warn(f"Loose parts too small to keep: {report.parts_dropped}.")
    tell(0.15, "simplifying")
    mesh = simplify(cleaned, settings.faces) if len(cleaned.faces) > settings.faces else cleaned
    tell(0.35, "unwrapping")
    size = texture_size or settings.texture
    unwrapped, uv_report = unwrap(mesh, texture_size=size)
    if uv_report.note:
        warn(uv_report.note)
    tell(0.7, "baking the texture")

    @torch.no_grad()
    def colour_at(points: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = torch.from_numpy(np.ascontiguousarray(points, np.float32)).split(COLOUR_CHUNK)
        return torch.cat([texture.colour(part.to(device)).cpu() for part in parts]).numpy()

    baked = bake(unwrapped, colour_at, size)
    tell(0.95, "checking")
    health = check(unwrapped.vertices, unwrapped.faces)
    if not health.sound:
        warn("The mesh is not closed and manifold everywhere; see `mesh` in the report.")
    facts = {"mesh": health.to_map(), "uv": uv_report.to_map(), "texture_size": size}
    return Asset(unwrapped, to_bytes(torch.from_numpy(baked.image)), facts, baked.texels)


def arrays_of(asset: Asset, thumbnail: NDArray[np.uint8], size_metres: float) -> dict[str, NDArray[Any]]:
    """What goes to the scene; see `backend.jobs.results.MeshResult`."""
    return arrays_at(to_metres(asset.mesh.vertices, size_metres), asset, thumbnail)


def arrays_at(
    vertices: NDArray[np.float32], asset: Asset, thumbnail: NDArray[np.uint8]
) -> dict[str, NDArray[Any]]:
    """The same, with the asset's vertices (V, 3) where they stand in the scene."""
    edges, corner_edges = edges_and_corners(asset.mesh.faces, len(vertices))
    assert asset.mesh.uvs is not None
    return {
        "vertices": vertices,
        "faces": asset.mesh.faces,
        "uvs": asset.mesh.uvs,
        "normals": vertex_normals(vertices, asset.mesh.faces),
        "edges": edges,
        "corner_edges": corner_edges,
        "base_colour": png(asset.base_colour),
        "thumbnail": png(thumbnail),
    }


def portrait(asset: Asset, device: torch.device, rasteriser: Rasteriser) -> NDArray[np.uint8]:
    """A shaded picture of the asset, (256, 256, 4) uint8 with straight alpha."""
    camera = turntable(1, THUMBNAIL, 20.0, 30.0).to(device)
    colour, opacity, normal = (
        layer.permute(0, 2, 3, 1) for layer in pictures_of(asset.mesh, asset.base_colour / 255.0, camera, rasteriser)
    )
    light = torch.nn.functional.normalize(camera.positions + camera.positions.new_tensor([[0.0, 0.0, 1.5]]), dim=-1)
    lit = shade(colour, normal, light, opacity=opacity)
    return to_bytes(torch.cat([lit / opacity.clamp_min(1e-4), opacity], -1)[0])
