# SPDX-License-Identifier: GPL-3.0-or-later
"""Unwrapping: no overlap, no mirrored face, little stretch, few charts; and the other two ways when ours is not
wanted.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.geometry import xatlas_process
from backend.geometry.clean import clean
from backend.geometry.mesh import Mesh, face_normals
from backend.geometry.raster_2d import barycentric, cover
from backend.geometry.simplify import simplify
from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid
from backend.geometry.unwrap import unwrap
from backend.geometry.uv_quality import measure, uv_charts

torch.set_num_threads(1)


def marched(function, resolution=40, budget=3000):
    grid = tetrahedral_grid(resolution)
    surface = marching_tetrahedra(grid, function(grid.vertices))
    cleaned, _ = clean(Mesh(surface.vertices.numpy(), surface.faces.numpy()))
    return simplify(cleaned, budget)


def ball(p):
    return p.norm(dim=1) - 0.7


def tube(p):
    return torch.maximum((p[:, :2].norm(dim=1) - 0.4).abs() - 0.1, p[:, 2].abs() - 0.7)


def box(p):
    return (p.abs() - torch.tensor([0.7, 0.5, 0.3])).max(1)[0]


def blob(p):
    return p.norm(dim=1) - 0.6 - 0.08 * (9 * p).sin().prod(1)


def torus(p):
    return ((p[:, :2].norm(dim=1) - 0.6).square() + p[:, 2].square()).sqrt() - 0.25


@pytest.mark.parametrize(
    "shape, most_charts, most_stretch",
    [(ball, 9, 1.12), (box, 12, 1.03), (tube, 14, 1.08), (torus, 16, 1.12), (blob, 16, 1.12)],
)
def test_charts_are_few_flat_and_apart(shape, most_charts, most_stretch):
    mesh = marched(shape)
    result, report = unwrap(mesh, texture_size=512)
    assert report.method == "charts" and report.note == ""
    assert report.overlap_texels == 0 and report.flipped_faces == 0
    assert report.charts <= most_charts and report.stretch <= most_stretch
    assert report.utilisation > 0.3 and report.density_spread < 0.1
    assert result.uvs.shape == (3 * len(mesh.faces), 2)
    assert result.uvs.min() >= 0 and result.uvs.max() <= 1
    assert np.array_equal(result.faces, mesh.faces) and np.array_equal(result.vertices, mesh.vertices)


def test_neighbouring_charts_keep_their_margin():
    result, _ = unwrap(marched(tube), texture_size=256, margin=3)
    triangles = result.uvs.astype(float).reshape(-1, 3, 2)
    chart, _ = uv_charts(result.vertices.astype(float), result.faces.astype(np.int64), triangles)
    face, x, y = cover(triangles * 256, 256, 256, conservative=True)
    picture = np.full((256, 256), -1)
    picture[y, x] = chart[face]
    for dx in range(6):
        for dy in range(6):
            a, b = picture[dy:, dx:], picture[: 256 - dy, : 256 - dx]
            assert not ((a >= 0) & (b >= 0) & (a != b)).any()


def test_up_on_the_object_is_up_in_the_picture():
    result, _ = unwrap(marched(box, budget=1500), texture_size=512)
    normals = face_normals(result.vertices, result.faces)
    triangles = result.uvs.astype(float).reshape(-1, 3, 2)
    corners = result.vertices[result.faces].astype(float)
    height, v = corners[:, :, 2], triangles[:, :, 1]
    side = np.abs(normals[:, 2]) < 0.1
    rises = (height - height.mean(1, keepdims=True)) * (v - v.mean(1, keepdims=True))
    assert rises[side].sum() > 0.9 * np.sqrt(
        ((height - height.mean(1, keepdims=True))[side] ** 2).sum() * ((v - v.mean(1, keepdims=True))[side] ** 2).sum()
    )


def test_the_same_mesh_gives_the_same_bits():
    mesh = marched(blob, 24)
    assert np.array_equal(unwrap(mesh)[0].uvs, unwrap(mesh)[0].uvs)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31))
def test_random_blobs_never_overlap_or_mirror(seed):
    generator = torch.Generator().manual_seed(seed)
    centres, sizes = torch.rand(4, 3, generator=generator) - 0.5, torch.rand(4, generator=generator) * 0.25 + 0.12

    def field(p):
        return ((p[:, None] - centres).norm(dim=2) - sizes).min(1)[0]

    mesh = marched(field, 24, 800)
    for method in ("charts", "box"):
        _, report = unwrap(mesh, texture_size=512, method=method)
        assert report.overlap_texels == 0 and report.flipped_faces == 0


def test_box_projection_handles_loose_triangles_and_open_sheets():
    generator = np.random.default_rng(3)
    soup = Mesh(generator.normal(size=(90, 3)), np.arange(90).reshape(-1, 3))
    for method in ("charts", "box"):
        _, report = unwrap(soup, texture_size=512, method=method)
        assert report.overlap_texels == 0
    sheet = Mesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    result, report = unwrap(sheet, texture_size=64, margin=2)
    assert report.charts == 1 and report.stretch == pytest.approx(1.0, abs=1e-3)


def test_xatlas_runs_in_its_own_process():
    mesh = marched(ball, 20, 500)
    _, report = unwrap(mesh, texture_size=256, method="xatlas")
    assert report.method == "xatlas" and report.overlap_texels == 0 and report.charts < 30


def test_a_time_limit_and_a_crash_fall_back_and_say_so(monkeypatch, tmp_path):
    mesh = marched(ball, 16, 300)
    _, report = unwrap(mesh, method="xatlas", time_limit=0.01)
    assert report.method == "charts" and "did not finish" in report.note
    broken = tmp_path / "xatlas_worker.py"
    broken.write_text("raise SystemExit('no such library')")
    monkeypatch.setattr(xatlas_process, "WORKER", broken)
    _, report = unwrap(mesh, method="xatlas")
    assert report.method == "charts" and "no such library" in report.note


def test_bad_arguments_are_refused():
    mesh = marched(ball, 16, 300)
    with pytest.raises(ValueError, match="unknown way"):
        unwrap(mesh, method="magic")
    with pytest.raises(ValueError, match="without faces"):
        unwrap(Mesh(np.zeros((0, 3)), np.zeros((0, 3))))
    with pytest.raises(ValueError, match="no UVs"):
        measure(mesh, 256)


def test_measure_sees_overlap_mirroring_and_stretch():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    faces = [[0, 1, 2], [0, 2, 3]]
    square = [[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]]
    good = measure(Mesh(vertices, faces, uvs=np.array(square)), 64)
    assert (good.overlap_texels, good.flipped_faces, good.charts) == (0, 0, 1)
    assert good.stretch == pytest.approx(1) and good.utilisation == 1 and good.texel_density == pytest.approx(64)
    mirrored = square[:3] + [[0, 0], [1, 1], [1, 0]]
    bad = measure(Mesh(vertices, faces, uvs=np.array(mirrored)), 64)
    assert bad.flipped_faces == 1 and bad.overlap_texels > 1900
    half = np.array(square) * [1, 0.25]
    assert measure(Mesh(vertices, faces, uvs=half), 64).stretch == pytest.approx(2.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_pixels_on_shared_edges_are_covered_exactly_once(seed):
    generator = np.random.default_rng(seed)
    # Snapped to quarters, so that many centres lie exactly on edges.
    inner = np.round(generator.uniform(4, 28, 2) * 4) / 4
    corners = np.array([[0, 0], [32, 0], [32, 32], [0, 32]], float)
    triangles = np.stack([[corners[i], corners[(i + 1) % 4], inner] for i in range(4)])
    _, x, y = cover(triangles, 32, 32)
    assert (np.bincount(y * 32 + x, minlength=1024) == 1).all()
    face, x, y = cover(triangles, 32, 32, conservative=True)
    assert (np.bincount(y * 32 + x, minlength=1024) >= 1).all()
    plain = cover(triangles, 32, 32)
    weights = barycentric(triangles, *plain)
    assert weights.min() > -1e-9
    rebuilt = (triangles[plain[0]] * weights[:, :, None]).sum(1)
    assert np.allclose(rebuilt, np.stack(plain[1:], 1) + 0.5)
    # Everything that plain coverage finds, and the squares that edges only brush.
    assert set(zip(*map(tuple, plain), strict=True)) <= set(zip(face, x, y, strict=True))
