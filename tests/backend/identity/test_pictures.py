# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of all sorts become squares of the object; what is no picture is named."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.identity.pictures import read_pictures, repeated
from protocol.errors import BadRequest


def file(values: np.ndarray, form: str = "PNG", **more: object) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, form, **more)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def disc(width: int, height: int, x: int, y: int, radius: int, ground: tuple[int, ...]) -> np.ndarray:
    """A red disc, (height, width, channels of `ground`)."""
    picture = np.full((height, width, len(ground)), ground, np.uint8)
    rows, columns = np.mgrid[:height, :width]
    picture[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = (200, 30, 30, 255)[: len(ground)]
    return picture


SIZES = {
    "transparent": disc(300, 200, 60, 90, 40, (0, 0, 0, 0)), "plain": disc(64, 90, 30, 40, 20, (250, 250, 240)),
    "large": disc(2500, 1800, 1500, 800, 500, (250, 250, 250)),
}


def given(*pictures: np.ndarray) -> dict[str, np.ndarray]:
    return {f"picture_{number}": picture for number, picture in enumerate(pictures)}


def test_objects_are_cut_out_and_framed_alike_whatever_the_size():
    found = read_pictures(given(*(file(one) for one in SIZES.values())))
    squares = [one.square(64, True, True) for one in found]
    for square in squares:
        assert square.shape == (4, 64, 64)
        share = float(square[3].mean())
        assert share == pytest.approx(np.pi / 4 * 0.8**2, rel=0.06)  # a disc of 0.8 of the side
        assert np.allclose(square[:3, 32, 32], np.array([200, 30, 30]) / 255, atol=0.01)
        assert np.allclose(square[:3, 0, 0], 0.5, atol=0.01)
        columns = np.flatnonzero(square[3].max(0).values > 0.5)
        assert columns[0] + columns[-1] == pytest.approx(63, abs=2)


def test_a_known_view_keeps_its_frame():
    [one, *_] = read_pictures(given(*(file(SIZES["transparent"]) for _ in range(3))))
    square = one.square(60, True, False)
    rows, columns = (np.flatnonzero(square[3].max(axis).values > 0.5) for axis in (1, 0))
    assert (columns[0], columns[-1]) == (4, 19)  # from 20 to 100 of 300 pixels
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(27.5, abs=1)  # 90 of 200, with 50 above


def test_photographs_stay_whole_for_priors_of_whole_pictures():
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 255, (80, 120, 3), dtype=np.uint8)
    found = read_pictures(given(file(noisy), file(noisy, "JPEG"), file(noisy[::-1], "WEBP", lossless=True)))
    assert found[0].alpha is None
    square = found[0].square(80, False, True)
    assert np.allclose(square[:3].numpy(), noisy[:, 20:100].transpose(2, 0, 1) / 255, atol=1e-6)
    assert bool((square[3] == 1).all()) and bool(found[0].square(40, True, True)[3].max() == 1)


def test_an_object_may_have_the_ground_s_colour_inside():
    ring = disc(100, 100, 50, 50, 40, (240, 240, 240))
    rows, columns = np.mgrid[:100, :100]
    ring[(rows - 50) ** 2 + (columns - 50) ** 2 <= 100] = 240
    [one, *_] = read_pictures(given(*(file(ring) for _ in range(3))))
    assert one.alpha is not None and one.alpha[50, 50] == 1 and one.alpha[2, 2] == 0


def test_a_turned_photograph_is_turned_back():
    upright = disc(60, 90, 30, 20, 10, (250, 250, 250))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    turned = file(np.rot90(upright).copy(), "JPEG", exif=exif, quality=95)
    [one, *_] = read_pictures(given(turned, turned, turned))
    assert one.colour.shape == (90, 60, 3) and one.colour[20, 30, 1] < 0.3


def test_repeated_pictures_are_noticed():
    first, second = file(SIZES["plain"]), file(SIZES["transparent"])
    assert repeated(read_pictures(given(first, second, first))) == ["picture_2"]


@pytest.mark.parametrize("bad", [b"", b"no picture at all", file(SIZES["plain"]).tobytes()[:60],
                                 file(np.zeros((8, 50, 3), np.uint8)).tobytes(),
                                 file(np.zeros((50, 50, 4), np.uint8)).tobytes()])
def test_what_cannot_be_used_is_named(bad):
    good = file(SIZES["plain"])
    with pytest.raises(BadRequest) as caught:
        read_pictures({**given(good, good, good), "picture_5": np.frombuffer(bad, np.uint8)})
    assert caught.value.path == "inputs.picture_5"


def test_two_are_too_few():
    good = file(SIZES["plain"])
    with pytest.raises(BadRequest, match="3 to 8"):
        read_pictures(given(good, good))
