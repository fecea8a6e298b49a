# SPDX-License-Identifier: GPL-3.0-or-later
"""The remove recipe: a known bump goes from a known sphere with a known texture, and nothing else changes by a bit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.geometry.bake import bake, seam_error, to_bytes
from backend.geometry.health import check
from backend.geometry.mesh import Mesh
from backend.geometry.unwrap import unwrap
from backend.jobs import TerminalContext, remove_paint, run
from backend.jobs.previews import png
from backend.texturing.patch import patch_texels
from protocol.arrays import Descriptor
from protocol.errors import BadRequest, Cancelled
from protocol.specs import RemoveSpec, spec_from_map
from tests.backend.texturing.shapes import wavy

SIZE = 256


def on_the_ball(points):
    """The analytic texture, of the direction, so that it is defined on the bump and under it."""
    return wavy(0.6 * points / np.linalg.norm(points, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def bumpy():
    shape = trimesh.creation.icosphere(4)
    rise = np.clip((shape.vertices @ np.array([0.0, -0.6, 0.8]) - 0.93) / 0.07, 0, 1) ** 2
    vertices = (shape.vertices * (1 + 0.4 * rise)[:, None]).astype(np.float32)
    mesh, _ = unwrap(Mesh(vertices, shape.faces.astype(np.int32)), texture_size=SIZE)
    picture = to_bytes(bake(mesh, on_the_ball, SIZE).image)
    return mesh, picture, (rise[mesh.faces] > 0).any(1)


def inputs_of(mesh, gone, picture=None):
    found = {"vertices": mesh.vertices, "faces": mesh.faces, "selected": gone.astype(np.uint8)}
    if mesh.uvs is not None:
        found["uvs"] = mesh.uvs
    if picture is not None:
        found["base_colour"] = png(picture)
    return found


def job(tmp_path: Path, inputs, cancel_when=lambda context: False, **fields):
    context = TerminalContext(tmp_path, inputs=inputs, cancel_when=cancel_when)
    return run(RemoveSpec(**{"seed": 1, "views": 0, **fields}), context), context


def texture_of(result):
    return np.asarray(Image.open(io.BytesIO(result.arrays["base_colour"].tobytes())))


def test_a_known_bump_goes_from_a_known_sphere(bumpy, tmp_path):
    mesh, picture, gone = bumpy
    result, context = job(tmp_path, inputs_of(mesh, gone, picture))
    arrays = result.arrays
    vertex_origin, face_origin = arrays["vertex_origin"], arrays["face_origin"]
    fresh = face_origin < 0
    # Geometry: the sphere, within 0.6 % of its radius; closed.
    assert np.abs(np.linalg.norm(arrays["vertices"][vertex_origin < 0], axis=1) - 1).max() < 0.006
    assert check(arrays["vertices"], arrays["faces"]).sound
    # What stays: vertices, faces, UVs and every texel that a face has, bit for bit.
    assert (arrays["vertices"][vertex_origin >= 0] == mesh.vertices[vertex_origin[vertex_origin >= 0]]).all()
    assert (vertex_origin[arrays["faces"][~fresh]] == mesh.faces[face_origin[~fresh]]).all()
    assert (face_origin[~fresh] == np.flatnonzero(~gone)).all()
    assert (arrays["uvs"].reshape(-1, 3, 2)[~fresh] == mesh.uvs.reshape(-1, 3, 2)[face_origin[~fresh]]).all()
    after, new = texture_of(result), Mesh(arrays["vertices"], arrays["faces"], arrays["uvs"])
    kept = patch_texels(new, ~fresh, SIZE, SIZE)
    assert after.shape == picture.shape
    assert (after[kept.rows, kept.columns] == picture[kept.rows, kept.columns]).all()
    # Colours: like the truth under the bump, and no seam beyond what resampling costs.
    patch = patch_texels(new, fresh, SIZE, SIZE)
    error = after[patch.rows, patch.columns] / 255.0 - on_the_ball(patch.texels.points)
    assert -10 * np.log10((error**2).mean()) > 28
    seams = seam_error(new, after / 255.0, on_the_ball)
    assert seams.ratio < 1.5
    report = result.report
    assert report["trimmed_faces"] == 0 and report["open_rims"] == 0 and report["removed_faces"] == gone.sum()
    assert report["patches"][0]["closing"] == "tangent" and report["atlas"]["scale"] == [1.0, 1.0]
    assert set(arrays) == {"vertices", "faces", "uvs", "normals", "edges", "corner_edges", "base_colour", "thumbnail",
                           "vertex_origin", "face_origin"}
    assert context.meshes and context.stages[-1] == ("done", 1.0)


@pytest.mark.parametrize("unrolls", [True, False])
def test_a_pattern_goes_on_where_colours_alone_would_blur_it(bumpy, tmp_path, monkeypatch, unrolls):
    mesh, _, gone = bumpy
    if not unrolls:  # then views have to do
        monkeypatch.setattr(remove_paint, "unroll", lambda *given: None)

    def stripes(points):
        ring = np.sin(14.0 * np.arccos(np.clip(points[:, :1] / np.linalg.norm(points, axis=1, keepdims=True), -1, 1)))
        return np.where(ring > 0, [[0.9, 0.8, 0.1]], [[0.1, 0.2, 0.7]])

    picture = to_bytes(bake(mesh, stripes, SIZE).image)
    error = {}
    for views in (0, 1):
        result, _ = job(tmp_path, inputs_of(mesh, gone, picture), views=views)
        arrays, after = result.arrays, texture_of(result)
        new, fresh = Mesh(arrays["vertices"], arrays["faces"], arrays["uvs"]), arrays["face_origin"] < 0
        patch, kept = (patch_texels(new, some, SIZE, SIZE) for some in (fresh, ~fresh))
        assert (after[kept.rows, kept.columns] == picture[kept.rows, kept.columns]).all()
        wrong = np.abs(after[patch.rows, patch.columns] / 255.0 - stripes(patch.texels.points)).max(1) > 0.25
        error[views] = wrong.mean()
    paint = result.report["paint"]
    assert (paint["views"] == 0 and set(paint["ways"]) <= {"areas", "pattern"}) if unrolls else paint["views"] > 0
    assert error[1] < (0.3 if unrolls else 0.7) * error[0]
    assert seam_error(new, after / 255.0, stripes).ratio < 1.5


def test_the_same_seed_gives_the_same_bits(bumpy, tmp_path):
    mesh, picture, gone = bumpy
    one, two = (job(tmp_path, inputs_of(mesh, gone, picture))[0] for _ in range(2))
    assert all((one.arrays[name] == two.arrays[name]).all() for name in one.arrays)


def test_the_patch_has_the_texel_density_of_its_surroundings(bumpy, tmp_path):
    mesh, picture, gone = bumpy
    arrays = job(tmp_path, inputs_of(mesh, gone, picture))[0].arrays
    corners = arrays["uvs"].reshape(-1, 3, 2).astype(np.float64)
    covered = 0.5 * np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    places = arrays["vertices"][arrays["faces"]].astype(np.float64)
    area = 0.5 * np.linalg.norm(np.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]), axis=1)
    fresh = arrays["face_origin"] < 0
    density = [np.sqrt(covered[some].sum() / area[some].sum()) for some in (fresh, ~fresh)]
    assert 0.9 < density[0] / density[1] < 1.1


def test_a_full_atlas_grows_and_keeps_its_texels_in_a_corner(tmp_path):
    shape = trimesh.creation.icosphere(2)
    gone = shape.triangles_center[:, 2] > 0.7
    # Every texel taken: each pair of faces lies over the whole square.
    uvs = np.tile(np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0, 1], [1, 0]], np.float32), (len(shape.faces) // 2, 1))
    full = Mesh(shape.vertices, shape.faces, uvs)
    small = np.arange(32 * 48 * 3).reshape(32, 48, 3).astype(np.uint8)
    result, context = job(tmp_path, inputs_of(full, gone, small))
    after = texture_of(result)
    sx, sy = result.report["atlas"]["scale"]
    assert after.shape[0] * after.shape[1] > 32 * 48 and {sx, sy} <= {1.0, 0.5, 0.25, 0.125, 0.0625}
    assert (after[-32:, :48] == small).all()
    kept = result.arrays["face_origin"] >= 0
    old = uvs.reshape(-1, 3, 2)[result.arrays["face_origin"][kept]]
    assert (result.arrays["uvs"].reshape(-1, 3, 2)[kept] == old * np.array([sx, sy], np.float32)).all()
    assert any("grew" in one for one in context.warnings)


def test_a_texture_that_repeats_goes_on(bumpy, tmp_path):
    mesh, picture, gone = bumpy
    uvs = (mesh.vertices[mesh.faces.ravel()][:, [0, 2]] * 2.0 + 3.0).astype(np.float32)  # flat from the front
    result, context = job(tmp_path, inputs_of(Mesh(mesh.vertices, mesh.faces, uvs), gone, picture))
    arrays = result.arrays
    assert (texture_of(result) == picture).all() and any("repeats" in one for one in context.warnings)
    fresh = arrays["face_origin"] < 0
    wanted = arrays["vertices"][arrays["faces"][fresh]][..., [0, 2]] * 2.0 + 3.0
    assert np.abs(arrays["uvs"].reshape(-1, 3, 2)[fresh] - wanted).max() < 0.1


def test_without_a_texture_only_the_shape_is_closed(bumpy, tmp_path):
    mesh, _, gone = bumpy
    bare = job(tmp_path, inputs_of(Mesh(mesh.vertices, mesh.faces), gone))[0]
    assert "uvs" not in bare.arrays and "base_colour" not in bare.arrays and "thumbnail" in bare.arrays
    with_uvs = job(tmp_path, inputs_of(mesh, gone))[0]
    assert np.isfinite(with_uvs.arrays["uvs"]).all() and "base_colour" not in with_uvs.arrays
    assert (with_uvs.arrays["vertices"] == bare.arrays["vertices"]).all()


def test_alpha_and_odd_shapes_of_a_texture_stay(bumpy, tmp_path):
    mesh, _, gone = bumpy
    picture = np.random.default_rng(0).integers(0, 256, (192, 300, 4), np.uint8)
    result, _ = job(tmp_path, inputs_of(mesh, gone, picture))
    arrays = result.arrays
    after = texture_of(result)
    assert after.shape[2] == 4
    new = Mesh(arrays["vertices"], arrays["faces"], arrays["uvs"])
    kept = patch_texels(new, arrays["face_origin"] >= 0, 300, 192)
    assert (after[kept.rows, kept.columns] == picture[kept.rows, kept.columns]).all()


@pytest.mark.parametrize(("change", "words"), [
    (lambda given: given.update(selected=np.zeros_like(given["selected"])), "Nothing is selected"),
    (lambda given: given.update(selected=np.ones_like(given["selected"])), "Everything is selected"),
    (lambda given: given.update(selected=given["selected"][:-1]), "marks for"),
    (lambda given: given.pop("uvs"), "no UVs"),
    (lambda given: given.update(base_colour=np.zeros(40, np.uint8)), "cannot be read"),
])
def test_bad_input_is_answered(bumpy, tmp_path, change, words):
    mesh, picture, gone = bumpy
    given = inputs_of(mesh, gone, picture)
    change(given)
    with pytest.raises(BadRequest, match=words) as caught:
        job(tmp_path, given)
    assert caught.value.path.startswith("inputs.")


def test_a_tangle_is_refused_with_advice_and_odd_uvs_are_left_alone(bumpy, tmp_path):
    mesh, picture, gone = bumpy
    turned = mesh.faces.copy()
    turned[np.flatnonzero(gone)] = turned[np.flatnonzero(gone)][:, ::-1]
    with pytest.raises(BadRequest, match="cannot be closed") as caught:
        job(tmp_path, inputs_of(Mesh(mesh.vertices, turned), gone))
    assert "normals" in str(caught.value.hint)
    broken = mesh.uvs.copy()
    broken[7] = np.nan
    given = inputs_of(mesh, gone, picture)
    given["uvs"] = broken
    result, context = job(tmp_path, given)
    assert "uvs" not in result.arrays and any("not finite" in one for one in context.warnings)


def test_it_can_be_cancelled(bumpy, tmp_path):
    mesh, picture, gone = bumpy
    with pytest.raises(Cancelled):
        job(tmp_path, inputs_of(mesh, gone, picture), cancel_when=lambda context: len(context.stages) > 2)


def test_the_spec_survives_the_wire_and_names_wrong_fields():
    spec = RemoveSpec(closing="curved", views=3, name="Mug", trim=False)
    assert spec_from_map("remove", spec.to_map()) == spec and spec.title == "Mug: remove the selection"
    for field, value in (("closing", "glue"), ("views", 4), ("trim", 1), ("inpainter", "\x00"), ("seed", -1)):
        with pytest.raises(BadRequest) as caught:
            RemoveSpec(**{field: value})
        assert caught.value.path == field
    with pytest.raises(BadRequest) as caught:
        spec.check_inputs([Descriptor("vertices", "<f4", (4, 3), 48, bytes(32)),
                           Descriptor("faces", "<i4", (2, 3), 24, bytes(32))])
    assert caught.value.path == "inputs.selected"
