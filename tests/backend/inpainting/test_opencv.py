# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenCV's methods get their masks the way round that each wants; tests/benchmarks/inpainting.py runs the real ones."""

import sys
import types

import numpy as np
import pytest

from backend.inpainting import inpainter_of
from protocol.errors import BadRequest


@pytest.fixture
def calls(monkeypatch):
    """A stand-in for cv2 that notes what it is given: it paints the hole green, xphoto in Lab as (1, 2, 3)."""
    noted = {}

    def inpaint(picture, mask, radius, kind):
        noted["plain"] = mask.copy()
        return np.where(mask[..., None] > 0, np.uint8([0, 255, 0]), picture)

    def photo(picture, mask, result, kind):
        noted[kind] = mask.copy()
        result[:] = np.where(mask[..., None] == 0, np.uint8([1, 2, 3]), picture)

    fake = types.ModuleType("cv2")
    fake.INPAINT_TELEA, fake.INPAINT_NS, fake.COLOR_RGB2LAB, fake.COLOR_LAB2RGB = 1, 0, "lab", "rgb"
    fake.inpaint, fake.cvtColor = inpaint, lambda picture, way: 255 - picture
    fake.xphoto = types.SimpleNamespace(INPAINT_FSR_FAST="fsr", INPAINT_SHIFTMAP="shift", inpaint=photo)
    monkeypatch.setitem(sys.modules, "cv2", fake)
    return noted


def test_masks_and_colours(calls):
    rng = np.random.default_rng(0)
    picture, gap = rng.random((20, 20, 3)).astype(np.float32), np.zeros((20, 20), bool)
    gap[5:9, 5:9] = True
    expected = {"telea": [0, 1, 0], "navier-stokes": [0, 1, 0], "frequencies": np.array([1, 2, 3]) / 255,
                "shift-map": np.array([254, 253, 252]) / 255}  # the fake's Lab is the negative
    for name, colour in expected.items():
        filled = inpainter_of(name).fill(picture, gap)
        np.testing.assert_allclose(filled[gap], np.broadcast_to(colour, (16, 3)), atol=1e-6)
        assert np.array_equal(filled[~gap], picture[~gap])
    assert np.array_equal(calls["plain"] > 0, gap)
    assert np.array_equal(calls["fsr"] == 0, gap) and np.array_equal(calls["shift"] == 0, gap)


def test_without_opencv_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(BadRequest, match="not installed") as caught:
        inpainter_of("telea")
    assert caught.value.path == "inpainter" and "opencv-contrib" in caught.value.hint


def test_an_opencv_without_its_extra_modules_is_told_apart(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", types.ModuleType("cv2"))
    with pytest.raises(BadRequest, match="has no shift-map"):
        inpainter_of("shift-map")
