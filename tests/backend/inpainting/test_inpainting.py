# SPDX-License-Identifier: GPL-3.0-or-later
"""Every inpainter of ours: known pixels keep their bits, the hole's own content has no say, and what is predictable
comes back. How good they are on textures of all kinds, tests/benchmarks/inpainting.py says."""

import numpy as np
import pytest

from backend.inpainting import inpainter_of
from backend.inpainting.biharmonic import SOLVED, enlarge
from backend.inpainting.choice import smooth_is_better
from protocol.errors import BadRequest
from tests.backend.inpainting.textures import hole, texture

OURS = ("", "biharmonic", "statistics")


def _psnr(one, two, where):
    return -10 * np.log10(float(((one - two)[where] ** 2).mean()) + 1e-12)


def _case(kind, seed=5, size=48):
    rng = np.random.default_rng(seed)
    return texture(kind, size, rng), hole(size, rng)


@pytest.mark.parametrize("name", OURS)
def test_known_pixels_keep_their_bits_and_the_holes_content_has_no_say(name):
    picture, gap = _case("dots")
    filled = inpainter_of(name).fill(picture, gap)
    assert np.array_equal(filled[~gap], picture[~gap]) and filled.dtype == np.float32
    other = np.where(gap[..., None], 0.3, picture).astype(np.float32)
    assert np.array_equal(inpainter_of(name).fill(other, gap), filled)
    assert filled.min() >= 0 and filled.max() <= 1
    assert np.array_equal(inpainter_of(name).fill(picture, np.zeros_like(gap)), picture)


@pytest.mark.parametrize("name", OURS)
def test_a_ramp_comes_back(name):
    y, x = np.mgrid[:40, :40] / 40.0
    picture = np.stack([x, y, 0.5 * (x + y)], -1).astype(np.float32)
    gap = np.zeros((40, 40), bool)
    gap[12:30, 8:26] = True
    assert _psnr(inpainter_of(name).fill(picture, gap), picture, gap) > (24 if name == "statistics" else 45)


@pytest.mark.parametrize("kind", ["stripes", "checker", "bricks"])
def test_patterns_are_continued(kind):
    picture, gap = _case(kind, seed=11)
    filled = inpainter_of("").fill(picture, gap)
    flat = np.broadcast_to(picture[~gap].mean(0), picture.shape)
    assert _psnr(filled, picture, gap) > _psnr(flat, picture, gap) + 8


def test_the_choice_is_smooth_for_smooth_content_only():
    y, x = np.mgrid[:48, :48] / 48.0
    gap = np.zeros((48, 48), bool)
    gap[18:30, 18:30] = True
    bump = np.repeat(np.exp(-((x - 0.4) ** 2 + (y - 0.5) ** 2))[..., None], 3, -1).astype(np.float32)
    assert smooth_is_better(bump, gap)
    assert not smooth_is_better(_case("checker")[0], gap)


def test_large_holes_are_filled_at_a_fraction_of_their_size_and_keep_their_grain():
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:400, :400] / 400.0
    coarse = np.repeat((0.5 + 0.3 * np.sin(40 * x))[..., None], 3, -1)
    picture = np.clip(coarse + 0.05 * rng.standard_normal((400, 400, 1)), 0, 1).astype(np.float32)
    gap = np.zeros((400, 400), bool)
    gap[100:300, 120:280] = True
    filled = inpainter_of("").fill(picture, gap)
    assert np.array_equal(filled[~gap], picture[~gap])
    assert _psnr(filled, coarse, gap) > 22
    rough = np.diff(filled[100:300, 120:280], axis=0).std()
    assert rough > 0.4 * np.diff(picture, axis=0).std()


def test_a_smooth_hole_larger_than_the_linear_system():
    y, x = np.mgrid[:260, :260] / 260.0
    picture = np.stack([x, y, x * y], -1).astype(np.float32)
    gap = np.zeros((260, 260), bool)
    gap[40:220, 40:220] = True
    assert gap.sum() > SOLVED
    assert _psnr(inpainter_of("biharmonic").fill(picture, gap), picture, gap) > 35


def test_enlarging_keeps_a_ramp():
    ramp = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None] * np.ones((1, 3, 1), np.float32)
    large = enlarge(ramp, 3)
    assert large.shape == (24, 9, 1)
    np.testing.assert_allclose(large[1::3, 1::3], ramp, atol=1e-6)  # the middles
    assert (np.diff(large[:, 0, 0]) >= 0).all()


def test_wrong_input_is_refused():
    picture, gap = _case("dots")
    for wrong in ((picture[..., 0], gap), (picture.astype(np.float64), gap), (picture, gap[1:]),
                  (picture, np.ones_like(gap))):
        for name in OURS:
            with pytest.raises(ValueError, match="hole|picture"):
                inpainter_of(name).fill(*wrong)
    with pytest.raises(BadRequest) as caught:
        inpainter_of("magic")
    assert caught.value.path == "inpainter" and "biharmonic" in caught.value.hint
