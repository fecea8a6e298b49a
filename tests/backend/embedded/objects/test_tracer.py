# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures against what geometry says they must show, and the light put on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from backend.embedded.objects import AMBIENT, Recipe, build, evaluate, over_grey, render, shade
from backend.embedded.objects import model as m
from backend.embedded.objects.construct import Builder
from backend.embedded.objects.meshing import mesh
from backend.embedded.objects.tracer import DISTANCE

torch.set_num_threads(1)


def ball(colour: str = "red", **more: str) -> m.ProceduralObject:
    return build(Recipe("ball", colour, **more), np.random.default_rng(0))


def test_silhouette_of_a_sphere() -> None:
    """A sphere of radius 0.9 at distance 3 covers the disc where the ray's angle is below asin(0.9 / 3)."""
    size = 64
    albedo, normal = render([ball()], 0.7, 0.3, 1.0, size, samples=4)
    alpha = albedo[0, ..., 3].numpy() / 255.0
    half = math.tan(math.radians(20))
    x = (np.arange(size) + 0.5) / size * 2 * half - half
    slope = np.hypot(x[None, :], x[:, None])
    edge = math.tan(math.asin(0.9 / DISTANCE))
    pixel = 2 * half / size
    assert (alpha[slope < edge - pixel] == 1).all() and (alpha[slope > edge + pixel] == 0).all()
    assert alpha.sum() * pixel**2 == pytest.approx(math.pi * edge**2, rel=4e-3)
    # The normals are those of the sphere, in the camera's frame.
    inside = slope < 0.9 * edge
    rays = np.stack(np.broadcast_arrays(x[None, :], -x[:, None], -1.0), axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    along = rays @ [0, 0, -DISTANCE]
    hit = rays * (along - np.sqrt(np.maximum(0.81 - DISTANCE**2 + along**2, 0)))[..., None]
    truth = (hit + [0, 0, DISTANCE]) / 0.9
    assert np.abs(normal[0].numpy() / 127.0 - truth)[inside].max() < 0.03
    assert not normal[0][albedo[0, ..., 3] == 0].any() and not albedo[0][albedo[0, ..., 3] == 0].any()


def test_the_camera_turns_as_agreed() -> None:
    """Azimuth 0 looks from -Y; +90 degrees from +X. Zoom 0.5 halves the distance."""
    rows = Builder(Recipe("ball", "red"), np.random.default_rng(0))
    rows.sphere((0.5, 0, 0), 0.2, "red")
    rows.sphere((0, 0, 0.5), 0.2, "blue")
    thing = m.ProceduralObject(rows.primitives(), rows.recipe)
    albedo, _ = render([thing] * 3, np.radians([0, 180, 90]), 0.0, 1.0, 33)
    red = (albedo[..., 0] > 150) & (albedo[..., 3] > 0)
    where = [np.argwhere(r.numpy()).mean(axis=0) for r in red]
    assert where[0][1] > 20 and where[1][1] < 12 and abs(where[2][1] - 16) < 1
    blue = (albedo[..., 2] > albedo[..., 0]) & (albedo[..., 3] > 0)
    assert np.argwhere(blue[0].numpy()).mean(axis=0)[0] < 12  # up is the top row
    small = Builder(Recipe("ball", "red"), np.random.default_rng(0))
    small.sphere((0, 0, 0), 0.2)
    dot = m.ProceduralObject(small.primitives(), small.recipe)
    area = [float(render([dot], 0.0, 0.0, zoom, 64)[0][..., 3].float().sum()) for zoom in (1.0, 0.5)]
    assert area[1] / area[0] == pytest.approx(4.0, rel=0.08)


def test_culling_changes_nothing() -> None:
    """A pixel's picture agrees with marching the whole object's distance along its ray."""
    thing = build(Recipe("teapot", "blue", "dotted", "white"), np.random.default_rng(3))
    size = 24
    albedo, _ = render([thing], 0.5, 0.35, 1.0, size, samples=1)
    half = math.tan(math.radians(20))
    x = (np.arange(size) + 0.5) / size * 2 * half - half
    back = np.array([math.sin(0.5) * math.cos(0.35), -math.cos(0.5) * math.cos(0.35), math.sin(0.35)])
    right = np.array([math.cos(0.5), math.sin(0.5), 0.0])
    up = np.cross(back, right)
    rays = x[None, :, None] * right - x[:, None, None] * up - back
    rays = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).reshape(-1, 3)
    t = np.full(len(rays), 1.9)
    for _ in range(200):
        t += np.minimum(evaluate(thing, back * DISTANCE + rays * t[:, None])[0], 0.1) * (t < 4.2)
    d, colour = evaluate(thing, back * DISTANCE + rays * t[:, None])
    hit = (t < 4.2) & (d < 1e-3)
    seen = albedo[0, ..., 3].numpy().reshape(-1) > 0
    assert (hit != seen).mean() < 0.02  # grazing rays: the tracer stops a tenth of a sample early
    both = hit & seen
    close = np.abs(albedo[0, ..., :3].numpy().reshape(-1, 3)[both] / 255.0 - colour[both]).max(axis=1) < 0.02
    assert close.mean() > 0.95


def test_a_batch_is_its_pictures_one_by_one() -> None:
    things = [build(Recipe(k, "green"), np.random.default_rng(i)) for i, k in enumerate(("chair", "cat", "bucket"))]
    azimuth, elevation, zoom = np.array([0.1, 2.0, -1.0]), np.array([0.2, 0.5, -0.2]), np.array([1.0, 0.8, 1.1])
    together = render(things, azimuth, elevation, zoom, 16)
    for i, thing in enumerate(things):
        alone = render([thing], azimuth[i], elevation[i], zoom[i], 16)
        assert torch.equal(alone[0][0], together[0][i]) and torch.equal(alone[1][0], together[1][i])


def test_light() -> None:
    albedo, normal = render([ball("white")], 0.0, 0.0, 1.0, 32)
    plain = shade(albedo, normal, torch.zeros(1, 3))
    assert torch.equal(plain, albedo.float() / 255)
    lit = shade(albedo, normal, torch.tensor([[1.0, 0.0, 0.0]]))
    middle, side = lit[0, 16, 16, 0], lit[0, 16, 24, 0]
    assert side > middle > lit[0, 16, 6, 0] - 0.02
    # Where the light does not reach, the ambient share is left: encode(linear(white) * ambient).
    white = ((albedo[0, 16, 6, 0].item() / 255 + 0.055) / 1.055) ** 2.4
    assert lit[0, 16, 6, 0].item() == pytest.approx(1.055 * (white * AMBIENT) ** (1 / 2.4) - 0.055, abs=1e-3)
    grey = over_grey(lit)
    assert torch.allclose(grey[0, 0, 0], torch.tensor([0.5, 0.5, 0.5, 0.0]))


def test_true_mesh() -> None:
    import trimesh

    vertices, faces, colours = mesh(ball("red"), 64)
    solid = trimesh.Trimesh(vertices, faces, process=False)
    assert solid.is_watertight and solid.volume == pytest.approx(4 / 3 * math.pi * 0.9**3, rel=5e-3)
    assert vertices.dtype == np.float32 and faces.dtype == np.int32
    np.testing.assert_allclose(colours, np.tile(colours[:1], (len(colours), 1)))
    with pytest.raises(ValueError, match="resolution"):
        mesh(ball(), 4)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="azimuth"):
        render([ball()], np.zeros(3), 0.0, 1.0, 16)
    with pytest.raises(ValueError, match="size"):
        render([ball()], 0.0, 0.0, 1.0, 0)
    with pytest.raises(ValueError, match="points"):
        evaluate(ball(), np.zeros((3, 2)))
    albedo, normal = render([], np.zeros(0), np.zeros(0), np.zeros(0), 16)
    assert albedo.shape == (0, 16, 16, 4) and normal.shape == (0, 16, 16, 3)
