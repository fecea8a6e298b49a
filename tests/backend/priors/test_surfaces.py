# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading surfaces off pictures with a tiny Marigold folder in the layout of the public appearance model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.priors.loading import quiet
from backend.priors.surfaces import load_surface_reader
from protocol.errors import PriorNotFound
from tests.backend.priors.conftest import WORDS, clip_text_model, clip_tokenizer, tiny_unet, tiny_vae

CPU = torch.device("cpu")
APPEARANCE = {
    "target_names": ["albedo", "material"],
    "albedo": {"prediction_space": "srgb"},
    "material": {"prediction_space": "linear", "sub_target_names": ["roughness", "metallicity", None]},
}
LIGHTING = {"target_names": ["albedo", "shading"], "albedo": {}, "shading": {}}


def save(folder: Path, properties: dict[str, object]) -> Path:
    with quiet():
        from diffusers import DDIMScheduler, MarigoldIntrinsicsPipeline

        tokenizer = clip_tokenizer(WORDS)
        MarigoldIntrinsicsPipeline(
            unet=tiny_unet(12, 8, 8, 16), vae=tiny_vae(3, 4, 4, 64), tokenizer=tokenizer,
            text_encoder=clip_text_model(tokenizer, 16), prediction_type="intrinsics", target_properties=properties,
            scheduler=DDIMScheduler(prediction_type="v_prediction", clip_sample=False),
            default_denoising_steps=2, default_processing_resolution=64,
        ).save_pretrained(folder)
    return folder


def test_a_marigold_folder_gives_what_its_pipeline_gives(tmp_path: Path) -> None:
    torch.manual_seed(4)
    reader = load_surface_reader(str(save(tmp_path / "appearance", APPEARANCE)), CPU, dtype=torch.float32)
    assert reader.places == {"roughness": (1, 0), "metallic": (1, 1)} and reader.name == "appearance"
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    made = reader.read(picture, seed=5)
    right = reader.pipeline(picture[None], generator=torch.Generator().manual_seed(5), output_type="pt").prediction
    assert made["roughness"].shape == (64, 64)
    torch.testing.assert_close(made["roughness"], right[1, 0].clamp(0, 1))
    torch.testing.assert_close(made["metallic"], right[1, 1].clamp(0, 1))
    assert torch.equal(made["metallic"], reader.read(picture, seed=5)["metallic"])


def test_other_folders_are_refused(tmp_path: Path, public_folders: dict[str, Path]) -> None:
    with pytest.raises(PriorNotFound, match="no roughness and metallic"):
        load_surface_reader(str(save(tmp_path / "lighting", LIGHTING)), CPU, dtype=torch.float32)
    with pytest.raises(PriorNotFound, match="read by a Marigold"):
        load_surface_reader(str(public_folders["sd1"]), CPU)
    with pytest.raises(PriorNotFound, match="no folder"):
        load_surface_reader(str(tmp_path / "nowhere"), CPU)
