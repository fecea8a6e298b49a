# SPDX-License-Identifier: GPL-3.0-or-later
"""Constants by the material's word, and maps that a reader's opinion of each view becomes."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor

from backend.geometry.bake import bake
from backend.render.raster import WarpRasteriser
from backend.texturing.maps import read_maps
from backend.texturing.materials import DEFAULT, material_of
from backend.texturing.rig import ring
from tests.backend.texturing.shapes import sphere_with_uvs


@pytest.mark.parametrize(("prompt", "word", "metal"), [
    ("a golden dragon", "golden", 1.0), ("a rusty steel bucket", "rusty", 0.25), ("a Wooden chair", "wooden", 0.0),
    ("a marigold in a pot", "", 0.0), ("a red mug", "", 0.0), ("a mossy golden frog", "mossy", 0.0),
])  # fmt: skip
def test_the_first_word_of_the_table_counts(prompt: str, word: str, metal: float) -> None:
    found = material_of(prompt)
    assert (found.word, found.metallic) == (word, metal)
    assert (found == DEFAULT) == (not word)
    assert ("default" in found.to_map()["source"]) == (not word)


class ReadsRed:
    """Roughness is how red a pixel is beside its green, metallic the reverse."""

    def read(self, picture: Tensor, seed: int) -> dict[str, Tensor]:
        red = (picture[0] > picture[1]).float()
        return {"roughness": red, "metallic": 1 - red}


def test_every_texel_gets_what_its_views_were_read_as() -> None:
    mesh = sphere_with_uvs()
    truth = bake(mesh, lambda points: np.where(points[:, :1] > 0, (0.8, 0.1, 0.1), (0.1, 0.8, 0.1)), 128)
    image = (truth.image * 255 + 0.5).astype(np.uint8)
    told: list[float] = []
    made = read_maps(mesh, image, ring(6), WarpRasteriser(), ReadsRed(), 0, lambda share, text: told.append(share))
    assert set(made) == {"roughness", "metallic"} and made["roughness"].shape == (128, 128)
    assert told == sorted(told)
    texels = truth.texels
    rough, metal = (made[name][texels.rows, texels.columns] / 255 for name in ("roughness", "metallic"))
    clear = np.abs(texels.points[:, 0]) > 0.08
    assert np.abs(rough - (texels.points[:, 0] > 0))[clear].mean() < 0.03
    assert np.abs(rough + metal - 1)[clear].mean() < 0.02
