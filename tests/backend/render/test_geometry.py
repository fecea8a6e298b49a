# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of geometry against an analytic sphere and the tracer that made the training data."""

from __future__ import annotations

import numpy as np
import torch
import trimesh

from backend.embedded.objects import Recipe, build, render_with_positions
from backend.embedded.objects.meshing import mesh as surface_of
from backend.render.cameras import orbit
from backend.render.geometry import see_geometry
from backend.render.raster import WarpRasteriser


def test_a_sphere_shows_its_own_normals_and_places() -> None:
    ball = trimesh.creation.icosphere(4, 0.9)
    cameras = orbit(torch.tensor([0.7]), torch.tensor([0.4]), size=48)
    seen = see_geometry(torch.tensor(ball.vertices, dtype=torch.float32), torch.tensor(ball.faces, dtype=torch.int32),
                        cameras, WarpRasteriser(), 48)
    whole = seen.coverage[0, 0] > 0.999
    place, normal = seen.positions[0, :, whole].T, seen.normals[0, :, whole].T
    torch.testing.assert_close(place.norm(dim=-1), torch.full((int(whole.sum()),), 0.9), atol=0.01, rtol=0)
    outward = torch.nn.functional.normalize(place, dim=-1) @ cameras.camera_to_world[0, :3, :3]
    assert float((normal * outward).sum(-1).min()) > 0.98
    assert float(normal[:, 2].min()) > 0  # everything seen faces the viewer
    away = (cameras.positions[0] - place) @ -cameras.forward[0]
    torch.testing.assert_close(seen.depth[0, 0][whole], away, atol=0.01, rtol=0)
    outside = seen.coverage[0, 0] == 0
    assert not seen.normals[0, :, outside].any() and not seen.positions[0, :, outside].any()


def test_a_mesh_looks_as_the_traced_object_did_in_training() -> None:
    thing = build(Recipe("mug", "red"), np.random.default_rng(1))
    vertices, faces, _ = surface_of(thing, 96)
    angles = np.array([0.5, 2.5], np.float32)
    albedo, normals, places = render_with_positions([thing] * 2, angles, [0.3, 0.3], [1.0, 1.0], 32, 3)
    cameras = orbit(torch.from_numpy(angles), torch.tensor([0.3, 0.3]), size=32)
    seen = see_geometry(torch.from_numpy(vertices), torch.from_numpy(np.ascontiguousarray(faces)), cameras,
                        WarpRasteriser(), 32)
    coverage = albedo[..., 3].float() / 255
    assert float((seen.coverage[:, 0] - coverage).abs().mean()) < 0.01
    inside = (coverage > 0.99) & (seen.coverage[:, 0] > 0.99)
    apart = (seen.positions.permute(0, 2, 3, 1) - places.float())[inside].norm(dim=-1)
    assert float(apart.median()) < 0.01
    cosine = (seen.normals.permute(0, 2, 3, 1) * normals.float() / 127)[inside].sum(-1)
    assert float(cosine.median()) > 0.98
