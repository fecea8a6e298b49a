# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inpaint job is asked for becomes exact texels, or is refused with a reason and advice."""

import io

import numpy as np
import pytest
from PIL import Image

from backend.jobs import TerminalContext
from backend.jobs.inpaint_input import read_inpaint, texel_side
from backend.jobs.previews import png
from backend.jobs.prompt import Notes
from protocol.errors import BadRequest, TooLarge
from protocol.specs import InpaintSpec
from tests.backend.texturing.shapes import sphere_with_uvs

SIZE = 64
BALL = sphere_with_uvs(around=16, along=8)
COLOURS = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
FRONT = (BALL.vertices[BALL.faces].mean(1)[:, 1] < -0.4).astype(np.uint8)


def read(tmp_path, spec=None, **changed):
    inputs = {"vertices": BALL.vertices, "faces": BALL.faces, "uvs": BALL.uvs, "base_colour": png(COLOURS),
              "selected": FRONT, **changed}
    inputs = {name: value for name, value in inputs.items() if value is not None}
    context = TerminalContext(tmp_path, inputs=inputs)
    return read_inpaint(spec or InpaintSpec("remove"), inputs, Notes(context)), context.warnings


def mask_of(rows, columns, value=255, mode="L"):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[rows, columns] = value
    file = io.BytesIO()
    Image.fromarray(mask).convert(mode).save(file, "PNG")
    return np.frombuffer(file.getvalue(), np.uint8)


def test_faces_become_exactly_their_texels(tmp_path):
    given, _ = read(tmp_path)
    texels = given.texels
    assert np.array_equal(given.hole[texels.rows, texels.columns], FRONT[texels.face] == 1)
    assert given.hole.sum() == (FRONT[texels.face] == 1).sum()  # nothing between the charts
    assert np.array_equal(given.picture, COLOURS) and np.array_equal(given.fresh, given.hole)
    whole, _ = read(tmp_path, InpaintSpec("replace", "a red ball"))
    assert np.array_equal(whole.hole, ~given.hole)


def test_a_mask_and_faces_select_what_they_have_in_common(tmp_path):
    mask = mask_of(slice(10, 50), slice(5, 60))
    alone, _ = read(tmp_path, selected=None, mask=mask)
    assert alone.hole.sum() == 40 * 55
    both, _ = read(tmp_path, mask=mask)
    faces, _ = read(tmp_path)
    assert np.array_equal(both.hole, alone.hole & faces.hole) and both.hole.any()


def test_a_selection_grows_shrinks_and_feathers_over_the_surface(tmp_path):
    plain, _ = read(tmp_path)
    side = texel_side(plain.texels, plain.mesh)
    for grow in (3, -3):
        changed, _ = read(tmp_path, InpaintSpec("remove", grow=grow))
        texels, before = plain.texels, plain.wanted
        # Truth by brute force: all distances between texels.
        apart = np.linalg.norm(texels.points[:, None] - texels.points[None], axis=2)
        if grow > 0:
            truth = apart[:, before].min(1) <= 3.01 * side
        else:
            truth = apart[:, ~before].min(1) > 3.01 * side
        assert (changed.wanted != truth).mean() < 0.002
    soft, _ = read(tmp_path, InpaintSpec("remove", feather=4))
    assert np.array_equal(soft.hole, plain.hole) and not soft.fresh[~soft.hole].any()
    inside = soft.fresh[soft.hole]
    assert (inside > 0).all() and inside.max() == 1 and inside.min() < 0.3


def test_opacity_is_kept_apart(tmp_path):
    clear = np.dstack([COLOURS, np.full((SIZE, SIZE), 77, np.uint8)])
    given, _ = read(tmp_path, base_colour=png(clear))
    assert given.opacity is not None and (given.opacity == 77).all() and np.array_equal(given.picture, COLOURS)
    assert read(tmp_path)[0].opacity is None


@pytest.mark.parametrize(("verb", "selected", "says"), [
    ("remove", np.zeros_like(FRONT), "empty"), ("fill", np.zeros_like(FRONT), "empty"),
    ("replace", np.zeros_like(FRONT), "empty"), ("remove", np.ones_like(FRONT), "nothing is left that could be"),
    ("replace", np.ones_like(FRONT), "nothing is left to replace"),
])
def test_nothing_or_everything_selected(tmp_path, verb, selected, says):
    with pytest.raises(BadRequest, match=says) as caught:
        read(tmp_path, InpaintSpec(verb, "" if verb == "remove" else "a red ball"), selected=selected)
    assert caught.value.path == "inputs.selected" and caught.value.hint
    if verb == "remove":
        with pytest.raises(BadRequest, match=says):
            mask = mask_of(slice(0, SIZE if selected.any() else 0), slice(None))
            read(tmp_path, InpaintSpec("remove"), selected=None, mask=mask)


def test_everything_may_be_filled(tmp_path):
    assert read(tmp_path, InpaintSpec("fill", "a red ball"), selected=np.ones_like(FRONT))[0].wanted.all()


def test_selections_that_do_not_fit(tmp_path):
    with pytest.raises(BadRequest, match="faces are marked"):
        read(tmp_path, selected=FRONT[1:])
    small = np.frombuffer(png(np.full((32, 32), 255, np.uint8)), np.uint8)
    with pytest.raises(BadRequest, match="32 x 32"):
        read(tmp_path, mask=small)
    with pytest.raises(BadRequest, match="cannot be read"):
        read(tmp_path, mask=np.arange(50, dtype=np.uint8))
    with pytest.raises(BadRequest, match="square"):
        read(tmp_path, base_colour=png(COLOURS[:32]))


def test_uvs_on_several_tiles_and_outside(tmp_path):
    tiles = BALL.uvs.reshape(-1, 3, 2).copy()
    tiles[: len(tiles) // 2, :, 0] += 1
    with pytest.raises(BadRequest, match="2 tiles .UDIM.") as caught:
        read(tmp_path, uvs=tiles.reshape(-1, 2))
    assert "one tile at a time" in caught.value.hint
    with pytest.raises(BadRequest, match="outside the square"):
        read(tmp_path, uvs=BALL.uvs + np.float32([0.0, 0.03]))
    with pytest.raises(BadRequest, match="cover nothing|selection is empty"):
        read(tmp_path, uvs=np.full_like(BALL.uvs, 0.5))


def test_overlapping_uvs_are_refused_where_the_selection_would_spill(tmp_path):
    mirrored = BALL.uvs.reshape(-1, 3, 2).copy()
    right = mirrored[:, :, 0].mean(1) > 0.5
    mirrored[right, :, 0] = 1 - mirrored[right, :, 0]  # one half lies on the other, flipped, as artists do it
    uvs = mirrored.reshape(-1, 2)
    half = (~right & (FRONT == 1)).astype(np.uint8)
    with pytest.raises(BadRequest, match="also belong to faces that are not selected") as caught:
        read(tmp_path, uvs=uvs, selected=half)
    assert caught.value.path == "inputs.uvs"
    # Both halves, every one with its twin: nothing spills, and it is said that several faces change.
    middle = BALL.uvs.reshape(-1, 3, 2).mean(1)
    band = ((middle[:, 1] > 0.4) & (middle[:, 1] < 0.7)).astype(np.uint8)
    given, warnings = read(tmp_path, uvs=uvs, selected=band)
    assert given.hole.any() and any("belong to several faces" in text for text in warnings)


def test_flipped_uvs_are_fine(tmp_path):
    flipped = BALL.uvs * np.float32([-1, 1]) + np.float32([1, 0])
    given, warnings = read(tmp_path, uvs=flipped)
    straight, _ = read(tmp_path)
    assert np.array_equal(given.hole, straight.hole[:, ::-1]) and not warnings


def test_faces_without_area_loose_parts_and_open_rims(tmp_path):
    # A face without area, one flap that three faces share an edge with, and a part of its own.
    extra = np.array([[0, 0, 2], [0.3, 0, 2], [0.15, 0.3, 2]], np.float32)
    count = len(BALL.vertices)
    faces = np.concatenate([BALL.faces, [[0, 1, 1]], [[count, count + 1, count + 2]],
                            [[BALL.faces[0, 0], BALL.faces[0, 1], count]]]).astype(np.int32)
    tail = np.float32([[0.5, 0.5]] * 3 + [[0.001, 0.001], [0.03, 0.001], [0.015, 0.03]] + [[0.97, 0.97]] * 3)
    uvs = np.concatenate([BALL.uvs * 0.9 + 0.05, tail]).astype(np.float32)
    selected = np.concatenate([FRONT, [0, 0, 0]]).astype(np.uint8)
    given, warnings = read(tmp_path, vertices=np.concatenate([BALL.vertices, extra]), faces=faces, uvs=uvs,
                           selected=selected)
    assert given.two_sided and given.hole.any()
    assert any("no area" in text for text in warnings) and any("not closed and manifold" in text for text in warnings)
    only_flat = np.zeros_like(selected)
    only_flat[len(FRONT)] = 1
    with pytest.raises(BadRequest, match="empty") as caught:
        read(tmp_path, vertices=np.concatenate([BALL.vertices, extra]), faces=faces, uvs=uvs, selected=only_flat)
    assert "with area" in caught.value.hint


def test_broken_and_huge_meshes(tmp_path):
    with pytest.raises(BadRequest, match="UVs for"):
        read(tmp_path, uvs=BALL.uvs[:-3])
    with pytest.raises(BadRequest, match="not finite"):
        read(tmp_path, uvs=np.where(np.arange(len(BALL.uvs))[:, None] == 5, np.nan, BALL.uvs).astype(np.float32))
    with pytest.raises(BadRequest, match="cannot be used"):
        read(tmp_path, faces=BALL.faces + 7)
    with pytest.raises(BadRequest, match="area"):
        read(tmp_path, vertices=np.zeros_like(BALL.vertices))
    with pytest.raises(TooLarge, match="2,000,000"):
        many = np.zeros((2_000_001, 3), np.int32)
        read(tmp_path, faces=many, uvs=np.zeros((6_000_003, 2), np.float32), selected=np.ones(2_000_001, np.uint8))
