# SPDX-License-Identifier: GPL-3.0-or-later
"""Borders between even colours go on into holes; and the way that does best is found where the truth is known."""

import numpy as np
import pytest

from backend.inpainting.areas import Areas
from backend.inpainting.biharmonic import Biharmonic, Harmonic
from backend.inpainting.contest import best_way, errors_of, ways
from tests.backend.inpainting.textures import texture

SIZE = 64
RED, BLUE = np.float32([0.8, 0.1, 0.1]), np.float32([0.1, 0.2, 0.7])


def grid():
    """(x, y) of the pixels' middles, from the picture's middle."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
    return x, y


def two_colours(depth):
    """(SIZE, SIZE, 3) red where depth, in pixels, is above 0, blue below, shared where the border cuts a pixel."""
    share = np.clip(depth + 0.5, 0, 1)[..., None]
    return (share * RED + (1 - share) * BLUE).astype(np.float32)


def disc(radius=12.0, at=(0.0, 0.0)):
    x, y = grid()
    return np.hypot(x - at[0], y - at[1]) < radius


def mean_error(picture, hole, method):
    filled = method.fill(np.where(hole[..., None], np.float32(0.5), picture), hole)
    assert (filled[~hole] == picture[~hole]).all() and filled.dtype == np.float32
    return float(((filled - picture)[hole] ** 2).mean())


@pytest.mark.parametrize(("shape", "share"), [("edge", 0.1), ("slanted edge", 0.1), ("spot", 0.3), ("arc", 0.2),
                                              ("stripe", 0.6), ("corners", 0.2)])
def test_borders_go_on_sharply(shape, share):
    x, y = grid()
    depth = {"edge": x - 2, "slanted edge": 0.8 * x + 0.6 * y + 3, "stripe": 7 - np.abs(0.6 * x - 0.8 * y),
             "spot": 10 - np.hypot(x - 9, y - 3), "arc": 30 - np.hypot(x - 25, y - 10),
             "corners": np.minimum(np.abs(x), np.abs(y)) * np.sign(x * y)}[shape]
    picture = two_colours(depth)
    assert mean_error(picture, disc(), Areas()) < share * mean_error(picture, disc(), Harmonic())


def test_one_colour_stays_and_no_areas_are_smooth():
    even = np.broadcast_to(RED, (SIZE, SIZE, 3)).copy()
    assert mean_error(even, disc(), Areas()) < 1e-9
    soft = texture("gradient", SIZE, np.random.default_rng(1))
    assert (Areas().fill(soft, disc()) == Harmonic().fill(soft, disc())).all()


def test_the_harmonic_fill_stays_between_and_the_biharmonic_one_goes_on():
    x, _ = grid()
    slope = np.repeat((0.5 + x / 200)[..., None], 3, -1).astype(np.float32)
    assert mean_error(slope, disc(), Biharmonic()) < 1e-8 and mean_error(slope, disc(), Harmonic()) < 1e-8
    bent = np.repeat((0.2 + (x / 60) ** 2)[..., None], 3, -1).astype(np.float32)
    filled = Harmonic().fill(bent, disc())
    rim = bent[disc(14.0) & ~disc()]
    assert filled[disc()].min() >= rim.min() - 1e-6 and filled[disc()].max() <= rim.max() + 1e-6
    assert mean_error(bent, disc(), Biharmonic()) < 0.5 * mean_error(bent, disc(), Harmonic())


@pytest.mark.parametrize("kind", ["stripes", "dots", "bricks"])
def test_patterns_win_where_the_surroundings_are_one(kind):
    picture, hole = texture(kind, 96, np.random.default_rng(3)), np.zeros((96, 96), bool)
    hole[38:58, 40:60] = True
    nothing = np.zeros_like(hole)
    name = best_way(picture, hole, nothing)
    error = {one: float(((way.fill(picture, hole, nothing) - picture)[hole] ** 2).mean())
             for one, way in ways().items()}
    assert name == "pattern" and error[name] < 0.5 * error["harmonic"]


def test_smooth_stays_smooth_and_what_cannot_be_tried_too():
    rng = np.random.default_rng(0)
    noise = (0.5 + 0.1 * rng.standard_normal((SIZE, SIZE, 3))).clip(0, 1).astype(np.float32)
    nothing = np.zeros((SIZE, SIZE), bool)
    assert best_way(noise, disc(8), nothing) == "harmonic"  # of grain nothing can be known
    even = np.broadcast_to(BLUE, (SIZE, SIZE, 3)).copy()
    assert best_way(even, disc(), nothing) == "harmonic"
    assert best_way(even, disc(29), ~disc(29)) == "harmonic"


def test_nothing_of_the_hole_or_beside_it_has_a_say():
    picture = texture("checker", SIZE, np.random.default_rng(5))
    hole, beside = disc(7), disc(6, at=(20.0, -20.0))
    spoilt = picture.copy()
    spoilt[hole | beside] = np.float32([1, 0, 1])
    quick = {"areas": Areas(), "harmonic": Harmonic()}
    one, two = (errors_of(quick, some, hole, beside) for some in (picture, spoilt))
    assert one["areas"].size > 2 and all((one[name] == two[name]).all() for name in quick)
