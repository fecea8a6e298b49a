# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures of the quality benchmark on pictures whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks import measures

AZIMUTHS = np.arange(12) * 30.0


def disc(colour: tuple[float, float, float], centre: tuple[float, float], radius: float, size: int = 48) -> np.ndarray:
    """RGBA picture of one disc; centre and radius as shares of the picture."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
    picture = np.zeros((size, size, 4), np.float32)
    picture[inside] = (*colour, 1.0)
    return picture


def snail(azimuth: float) -> np.ndarray:
    """A grey ball with a red nose in front and a blue tail behind, seen from `azimuth` degrees."""
    turn = np.radians(azimuth)
    parts = [  # place (x, y) in the world seen from above, colour, radius
        (0.0, -0.3, (0.9, 0.1, 0.1), 0.1),
        (0.0, 0.0, (0.6, 0.6, 0.6), 0.28),
        (0.05, 0.33, (0.1, 0.1, 0.9), 0.12),
    ]
    depth = [x * np.sin(turn) - y * np.cos(turn) for x, y, _, _ in parts]
    picture = np.zeros((48, 48, 4), np.float32)
    for index in np.argsort(depth):  # far to near
        x, y, colour, radius = parts[index]
        part = disc(colour, (0.5 + x * np.cos(turn) + y * np.sin(turn), 0.5), radius)
        picture = np.where(part[..., 3:] > 0, part, picture)
    return picture


@pytest.fixture(scope="module")
def turntable() -> np.ndarray:
    return np.stack([snail(azimuth) for azimuth in AZIMUTHS])


def test_lab_of_known_colours():
    # White, and sRGB red and mid grey as published for D65 (Lindbloom's calculator).
    known = {
        (1.0, 1.0, 1.0): (100.0, 0.0, 0.0),
        (1.0, 0.0, 0.0): (53.24, 80.09, 67.20),
        (0.5, 0.5, 0.5): (53.39, 0.0, 0.0),
    }
    for colour, lab in known.items():
        np.testing.assert_allclose(measures.srgb_to_lab(np.array(colour)), lab, atol=0.02)


def test_delta_e_of_known_pairs():
    black, white, red = np.zeros(3), np.ones(3), np.array([1.0, 0.0, 0.0])
    assert measures.delta_e(black, white) == pytest.approx(100.0, abs=1e-4)
    assert measures.delta_e(red, red) == 0.0
    assert measures.delta_e(black, red) == pytest.approx(np.linalg.norm([53.24, 80.09, 67.20]), abs=0.02)


def test_colour_error_looks_only_where_both_are():
    first = disc((0.5, 0.5, 0.5), (0.5, 0.5), 0.3)[None]
    second = disc((0.5, 0.5, 0.5), (0.6, 0.5), 0.3)[None]
    error = measures.colour_error(first, second)
    assert error.mean == 0.0 and error.of_means == 0.0 and 0.5 < error.common < 0.8
    darker = second.copy()
    darker[..., :3] *= 0.0
    assert measures.colour_error(first, darker).mean == pytest.approx(53.39, abs=0.05)
    apart = measures.colour_error(disc((1, 0, 0), (0.2, 0.2), 0.1)[None], disc((1, 0, 0), (0.8, 0.8), 0.1)[None])
    assert (apart.mean, apart.common) == (100.0, 0.0)


def test_colour_error_of_means_forgives_a_moved_pattern():
    left, right = np.zeros((1, 8, 8, 4), np.float32), np.zeros((1, 8, 8, 4), np.float32)
    left[..., 3] = right[..., 3] = 1.0
    left[:, :, ::2, :3], right[:, :, 1::2, :3] = 1.0, 1.0
    error = measures.colour_error(left, right)
    assert error.of_means == pytest.approx(0.0, abs=1e-6) and error.mean == pytest.approx(100.0, abs=1e-3)


def test_colour_error_refuses_pictures_of_other_shapes():
    with pytest.raises(ValueError, match="RGBA"):
        measures.colour_error(np.zeros((1, 8, 8, 3)), np.zeros((1, 8, 8, 3)))


def test_distance_is_zero_for_itself_and_blind_to_colour_where_nothing_is(turntable):
    hidden = turntable.copy()
    hidden[hidden[..., 3] == 0] = (0.3, 0.9, 0.2, 0.0)
    np.testing.assert_allclose(np.diagonal(measures.picture_distance(turntable, hidden)), 0.0, atol=1e-7)


def test_every_view_of_the_truth_is_read_back(turntable):
    read = measures.view_agreement(turntable, turntable, AZIMUTHS)
    assert (read.main_right, read.azimuth_error, read.janus, read.agrees) == (1.0, 0.0, False, True)
    assert read.telling > 0.8


def test_read_back_survives_noise_and_a_change_of_colour(turntable):
    generator = np.random.default_rng(3)
    worn = turntable.copy()
    worn[..., :3] = (worn[..., :3] * 0.9 + generator.normal(0, 0.05, worn[..., :3].shape)).clip(0, 1)
    read = measures.view_agreement(worn, turntable, AZIMUTHS)
    assert read.agrees and read.azimuth_error < 5.0


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_turned_object_is_off_by_its_turn(turntable, steps):
    read = measures.view_agreement(np.roll(turntable, steps, axis=0), turntable, AZIMUTHS)
    assert read.azimuth_error == pytest.approx(30.0 * steps, abs=1.0)


def test_a_second_face_on_the_back_is_found(turntable):
    two_faced = turntable.copy()
    for index, azimuth in enumerate(AZIMUTHS):
        if measures.turn_between(azimuth, 180.0) <= 60.0:
            two_faced[index] = snail(azimuth - 180.0)
    read = measures.view_agreement(two_faced, turntable, AZIMUTHS)
    assert read.janus and not read.agrees and read.main_right == 0.75


def test_a_solid_of_revolution_agrees_with_itself_however_it_is_turned():
    ball = np.repeat(disc((0.2, 0.7, 0.3), (0.5, 0.5), 0.35)[None], 12, axis=0)
    read = measures.view_agreement(np.roll(ball, 5, axis=0), ball, AZIMUTHS)
    assert read.agrees and read.azimuth_error == 0.0 and read.telling == 0.0


def test_main_views_must_be_among_the_azimuths(turntable):
    with pytest.raises(ValueError, match="0, 90, 180 and 270"):
        measures.view_agreement(turntable, turntable, AZIMUTHS + 15.0)


def test_turn_between_goes_the_short_way_round():
    np.testing.assert_allclose(measures.turn_between([350.0, 10.0, 180.0], [10.0, 350.0, 0.0]), [20.0, 20.0, 180.0])
