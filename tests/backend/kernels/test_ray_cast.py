# SPDX-License-Identifier: GPL-3.0-or-later
"""Ray casting against every triangle tried in float64 (Moeller and Trumbore 1997)."""

import pytest
import torch

from backend.kernels.ray_cast import RayCaster


def first_hits(vertices, faces, origins, directions):
    """(N,) face (-1 on a miss) and (N,) distance, by brute force."""
    a, b, c = (vertices[faces[:, k].long()] for k in range(3))
    cross = torch.linalg.cross
    e1, e2 = (b - a)[None], (c - a)[None]
    p = cross(directions[:, None].expand(-1, len(faces), 3), e2.expand(len(origins), -1, 3))
    det = (e1 * p).sum(-1)
    s = origins[:, None] - a[None]
    u = (s * p).sum(-1) / det
    q = cross(s, e1.expand_as(s))
    v = (directions[:, None] * q).sum(-1) / det
    t = (e2 * q).sum(-1) / det
    t = torch.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, torch.inf)
    distance, face = t.min(1)
    return torch.where(distance.isinf(), -1, face), distance


def test_hits_are_those_of_brute_force(device, generator):
    vertices = torch.randn((60, 3), generator=generator)
    faces = torch.randint(60, (80, 3), generator=generator, dtype=torch.int32)
    origins = torch.randn((500, 3), generator=generator) * 3
    directions = torch.nn.functional.normalize(torch.randn((500, 3), generator=generator) - origins, dim=1)
    hits = RayCaster(vertices.to(device), faces.to(device)).cast(origins.to(device), directions.to(device))
    face, distance = first_hits(vertices.double(), faces, origins.double(), directions.double())
    same = hits.face.cpu() == face
    assert int((~same).sum()) <= 2 and int((face >= 0).sum()) > 100
    hit = same & (face >= 0)
    torch.testing.assert_close(hits.distance.cpu().double()[hit], distance[hit], atol=1e-4, rtol=1e-4)
    corners = vertices[faces[face[hit]].long()]
    places = (hits.barycentric.cpu()[hit][..., None] * corners).sum(1)
    torch.testing.assert_close(places, (origins + directions * hits.distance.cpu()[:, None])[hit], atol=1e-3, rtol=0)
    assert bool(hits.distance.cpu()[hits.face.cpu() < 0].isinf().all())


def test_limit_and_empty_mesh(device):
    vertices = torch.tensor([[-1.0, 0, -1], [1, 0, -1], [0, 0, 1]], device=device)
    ray = torch.tensor([[0.0, -2, 0]], device=device), torch.tensor([[0.0, 1, 0]], device=device)
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32, device=device)
    assert RayCaster(vertices, faces).cast(*ray).face.tolist() == [0]
    assert RayCaster(vertices, faces).cast(*ray, limit=1.5).face.tolist() == [-1]
    assert RayCaster(vertices, faces[:0]).cast(*ray).face.tolist() == [-1]
    assert RayCaster(vertices, faces).cast(ray[0][:0], ray[1][:0]).face.shape == (0,)


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="ray caster"):
        RayCaster(torch.zeros((3, 2)), torch.zeros((1, 3), dtype=torch.int32))
