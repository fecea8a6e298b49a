# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting as a whole, with a prior that knows what the object looks like: its texture comes back."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from backend.geometry.bake import bake
from backend.priors.base import GREY, Prior, PriorTraits, TextEmbedding
from backend.priors.control import Control
from backend.priors.noise import NoiseSchedule
from backend.priors.prompts import PromptBook
from backend.render.raster import WarpRasteriser
from backend.texturing.canvas import NothingSeen
from backend.texturing.paint import Pass, paint
from backend.texturing.painted import Ground
from backend.texturing.rig import ring
from backend.texturing.textured import pictures_of
from backend.texturing.together import Denoising
from protocol.errors import Cancelled
from tests.backend.texturing.shapes import sphere_with_uvs, wavy

SIZE, PIXELS = 96, 48


class Knowing(Prior):
    """A prior that believes in one textured mesh, whatever it is shown: x0 is that mesh from the asked view."""

    def __init__(self, mesh, texture, cameras, channels="rgba"):
        self.traits = PriorTraits("knowing", "1", PIXELS, channels, (4 if channels == "rgba" else 3, PIXELS, PIXELS),
                                  knows_camera=True)
        self.noise = NoiseSchedule(torch.linspace(0.999, 0.001, 100), "sample")
        self.device, self.dtype = torch.device("cpu"), torch.float32
        colour, alpha, _ = pictures_of(mesh, texture, cameras.resized(PIXELS, PIXELS), WarpRasteriser(), 4)
        together = torch.cat([colour + GREY * (1 - alpha), alpha], 1)
        self.pictures = together[:, : self.traits.channel_count]
        self.azimuth = cameras.azimuth
        self.asked: list[int] = []

    def embed(self, prompts):
        return TextEmbedding(torch.zeros(len(prompts), 1, 1))

    def encode(self, images, cheap=False):
        return images * 2 - 1

    def decode(self, x):
        return (x / 2 + 0.5).clamp(0, 1)

    def network(self, x_t, t, text, view):
        which = (view.azimuth[:, None] - self.azimuth[None]).abs().argmin(1)
        self.asked.append(len(x_t))
        return self.encode(self.pictures[which])


@pytest.fixture(scope="module")
def scene():
    """Mesh, its true texture, cameras."""
    mesh = sphere_with_uvs()
    return mesh, bake(mesh, wavy, SIZE), ring(8, above=0)


def _paint(scene, prior, tell=lambda share, message: None, steps=4, **more):
    mesh, baked, cameras = scene
    one = Pass(prior, PromptBook(prior, "a ball"), Denoising(steps, 1.0, 1.0))
    return paint(mesh, cameras, [one], SIZE, WarpRasteriser(), torch.Generator().manual_seed(0), tell, **more)


def _psnr(image, baked, where=None):
    texels = baked.texels
    error = (image / 255.0 - baked.image)[texels.rows, texels.columns]
    error = error if where is None else error[where]
    return -10 * np.log10((error**2).mean())


@pytest.mark.parametrize("channels", ["rgba", "rgb"])
def test_what_the_prior_believes_comes_out(scene, channels):
    made = _paint(scene, Knowing(scene[0], scene[1].image, scene[2], channels))
    side = np.abs(scene[1].texels.points[:, 2]) < 0.6
    assert _psnr(made.image, scene[1], side) > 28
    assert made.image.dtype == np.uint8 and made.image.shape == (SIZE, SIZE, 3)
    assert made.report["views"] == 8 and made.report["seen"] > 0.8 and made.pictures.shape == (8, 4, PIXELS, PIXELS)


def test_the_same_seed_gives_the_same_bits_and_progress_ends(scene):
    prior, told = Knowing(scene[0], scene[1].image, scene[2]), []
    one = _paint(scene, prior, lambda share, message: told.append(share))
    assert np.array_equal(one.image, _paint(scene, prior).image)
    assert told == sorted(told) and told[0] == 0 and 0.9 < told[-1] <= 1


def test_it_stops_when_told_to(scene):
    def tell(share, message):
        if share > 0.3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        _paint(scene, Knowing(scene[0], scene[1].image, scene[2]), tell)


def test_kept_texels_are_kept_to_the_last_bit(scene):
    mesh, baked, cameras = scene
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    keep = np.zeros((SIZE, SIZE), bool)
    keep[:, : SIZE // 2] = True
    made = _paint(scene, Knowing(mesh, baked.image, cameras), ground=Ground(picture, keep))
    assert np.array_equal(made.image[keep], picture[keep])
    painted = ~keep[baked.texels.rows, baked.texels.columns] & (np.abs(baked.texels.points[:, 2]) < 0.6)
    assert _psnr(made.image, baked, painted) > 25


def test_few_views_at_once_give_the_same_object(scene):
    prior = Knowing(scene[0], scene[1].image, scene[2])
    made = _paint(scene, prior, at_once=2)
    assert set(prior.asked) == {2}
    assert _psnr(made.image, scene[1], np.abs(scene[1].texels.points[:, 2]) < 0.6) > 26


def test_cameras_that_look_away_are_told(scene):
    mesh, baked, cameras = scene
    pose = cameras.camera_to_world.clone()
    pose[:, :3, 0], pose[:, :3, 2] = -pose[:, :3, 0], -pose[:, :3, 2]
    prior = Knowing(mesh, baked.image, cameras)
    with pytest.raises(NothingSeen):
        _paint((mesh, baked, replace(cameras, camera_to_world=pose)), prior)
    # One of several may look away.
    pose[1:] = cameras.camera_to_world[1:]
    made = _paint((mesh, baked, replace(cameras, camera_to_world=pose)), prior, at_once=1)
    assert made.report["seen"] > 0.7


def test_a_prior_with_a_control_network_is_shown_what_its_views_look_at(scene):
    mesh, baked, cameras = scene

    class Shown(Knowing):
        control = Control(SimpleNamespace(config=SimpleNamespace(conditioning_embedding_out_channels=(8,))), "normal")
        shown = None
        pictures_shown: list = []

        def network(self, x_t, t, text, view):
            self.pictures_shown.append(None if self.shown is None else (self.shown.picture, self.shown.scale))
            return super().network(x_t, t, text, view)

    prior = Shown(mesh, baked.image, cameras)
    one = Pass(prior, PromptBook(prior, "a ball"), Denoising(2, 1.0, 1.0, shape=0.5))
    paint(mesh, cameras, [one], SIZE, WarpRasteriser(), torch.Generator().manual_seed(0), lambda share, text: None)
    picture, scale = prior.pictures_shown[0]
    assert picture.shape == (len(cameras), 3, PIXELS, PIXELS) and scale == 0.5
    middle = picture[:, :, PIXELS // 2, PIXELS // 2]  # cameras stand at 10 and 35 degrees and look at the ball's middle
    torch.testing.assert_close(middle, torch.tensor([0.5, 0.5, 1.0]).expand_as(middle), atol=0.06, rtol=0)
    right = picture[0, :, PIXELS // 2, PIXELS * 3 // 4]
    assert right[0] < 0.3 and abs(float(right[1]) - 0.5) < 0.06  # a normal to the right is not red
    prior.pictures_shown.clear()
    unshown = replace(one, denoising=replace(one.denoising, shape=0.0))
    paint(mesh, cameras, [unshown], SIZE, WarpRasteriser(), torch.Generator().manual_seed(0), lambda share, text: None)
    assert prior.pictures_shown == [None, None] and prior.shown is None
