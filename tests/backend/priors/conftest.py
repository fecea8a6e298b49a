# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny diffusers folders with the layouts of the real ones, built from configurations once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.priors.loading import quiet
from backend.priors.sentence_encoder import SentenceEncoder, find_model_folder

torch.set_num_threads(1)

NO_SAFETY = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def tiny_unet(channels_in: int, channels_out: int, size: int, width: int, **more: object):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=size, in_channels=channels_in, out_channels=channels_out, layers_per_block=1,
        block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=width, attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **more).eval()


def tiny_vae(channels: int, latent_channels: int, levels: int, size: int, scaling: float = 0.18215):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=channels, out_channels=channels, latent_channels=latent_channels, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(8,) * levels, sample_size=size, scaling_factor=scaling,
        mid_block_add_attention=False).eval()


def steps(prediction: str = "epsilon", schedule: str = "scaled_linear"):
    from diffusers import DDPMScheduler

    return DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule=schedule, prediction_type=prediction,
                         clip_sample=False, steps_offset=1, variance_type="fixed_small")


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(find_model_folder())


@pytest.fixture(scope="session")
def embedded_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """{'pixel': ..., 'latent': ...} in the layout of backend/embedded/weights, random weights, no text encoder."""
    root = tmp_path_factory.mktemp("embedded")
    torch.manual_seed(0)
    with quiet():
        from diffusers import IFPipeline, StableDiffusionPipeline

        classes = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 395}
        IFPipeline(
            tokenizer=None, text_encoder=None, watermarker=None, unet=tiny_unet(4, 8, 32, 384, **classes),
            scheduler=steps("v_prediction", "squaredcos_cap_v2"), **NO_SAFETY).save_pretrained(root / "pixel")
        StableDiffusionPipeline(
            tokenizer=None, text_encoder=None, vae=tiny_vae(4, 8, 3, 128, 1.0),
            unet=tiny_unet(8, 8, 32, 384, **classes),
            scheduler=steps("v_prediction", "squaredcos_cap_v2"), **NO_SAFETY).save_pretrained(root / "latent")
    return {"pixel": root / "pixel", "latent": root / "latent"}
