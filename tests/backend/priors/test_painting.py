# SPDX-License-Identifier: GPL-3.0-or-later
"""Views are painted by priors of every family: in pixels or latents, with or without alpha and knowledge of cameras."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.priors import catalog
from backend.priors.prompts import PromptBook
from backend.render.raster import WarpRasteriser
from backend.texturing.paint import Pass, paint
from backend.texturing.rig import ring
from backend.texturing.together import Denoising
from tests.backend.texturing.shapes import sphere_with_uvs


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "if"])
def test_public_checkpoints_paint(public_folders: dict[str, Path], family: str):
    prior = catalog.load(str(public_folders[family]), "fine", torch.device("cpu"))
    mesh = sphere_with_uvs(around=16, along=8)
    one = Pass(prior, PromptBook(prior, "a red cube"), Denoising(2, 1.0, 7.5))
    made = [paint(mesh, ring(3), [one], 32, WarpRasteriser(), torch.Generator().manual_seed(seed),
                  lambda share, message: None).image for seed in (0, 0, 1)]
    assert made[0].shape == (32, 32, 3) and made[0].std() > 0
    assert np.array_equal(made[0], made[1]) and not np.array_equal(made[0], made[2])
