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


def clip_tokenizer(words: list[str]):
    """A CLIP tokenizer that knows a few words whole and spells out all others."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    pieces = dict.fromkeys([*letters, *(letter + "</w>" for letter in letters)])
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        grown = word[0]
        for place, letter in enumerate(word[1:], start=2):
            ending = letter + ("</w>" if place == len(word) else "")
            merges[grown, ending] = None
            grown += ending
            pieces[grown] = None
    pieces |= dict.fromkeys(["<|startoftext|>", "<|endoftext|>"])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=77)


def clip_text_model(tokenizer, width: int, projected: int | None = None):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        projection_dim=projected or width)
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


WORDS = ["a", "red", "cube", "front", "side", "back", "overhead", "view"]


@pytest.fixture(scope="session")
def public_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny pipelines in the layouts of public checkpoints, by family, written by diffusers itself."""
    root = tmp_path_factory.mktemp("public")
    torch.manual_seed(1)
    with quiet():
        from diffusers import IFPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
        from transformers import T5Config, T5EncoderModel, T5Tokenizer

        tokenizer = clip_tokenizer(WORDS)
        text = clip_text_model(tokenizer, 16)

        def stable(name: str, unet, scheduler) -> None:
            StableDiffusionPipeline(vae=tiny_vae(3, 4, 4, 64), text_encoder=text, tokenizer=tokenizer, unet=unet,
                                    scheduler=scheduler, **NO_SAFETY).save_pretrained(root / name)

        stable("sd1", tiny_unet(4, 4, 8, 16), steps())
        stable("sd2", tiny_unet(4, 4, 8, 16), steps("v_prediction"))
        stable("inpainting", tiny_unet(9, 4, 8, 16), steps())
        for numbers in (11, 16, 7):
            stable(f"camera{numbers}", tiny_unet(4, 4, 8, 16, class_embed_type="projection",
                                                 projection_class_embeddings_input_dim=numbers), steps())
        second = clip_text_model(tokenizer, 16, projected=8)
        StableDiffusionXLPipeline(
            vae=tiny_vae(3, 4, 4, 64), text_encoder=text, text_encoder_2=second, tokenizer=tokenizer,
            tokenizer_2=tokenizer, scheduler=steps(),
            unet=tiny_unet(4, 4, 8, 32, addition_embed_type="text_time", addition_time_embed_dim=8,
                           projection_class_embeddings_input_dim=6 * 8 + 8),
        ).save_pretrained(root / "sdxl")

        pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -3.0),
                  *((f"▁{word}", -2.0) for word in WORDS if len(word) > 1)]
        pieces += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
        t5_tokenizer = T5Tokenizer(vocab=pieces, extra_ids=0)
        t5 = T5EncoderModel(T5Config(vocab_size=len(pieces), d_model=16, d_kv=8, d_ff=32, num_layers=1,
                                     num_heads=2)).eval()
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel(
            sample_size=64, in_channels=3, out_channels=6, layers_per_block=1, block_out_channels=(8, 16),
            norm_num_groups=4, cross_attention_dim=16, attention_head_dim=8, encoder_hid_dim=16,
            addition_embed_type="text", addition_embed_type_num_heads=2, act_fn="gelu",
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D")).eval()
        IFPipeline(tokenizer=t5_tokenizer, text_encoder=t5, unet=unet, watermarker=None,
                   scheduler=steps("epsilon", "squaredcos_cap_v2"), **NO_SAFETY).save_pretrained(root / "if")
        for layout in ("clip_camera_projection", "cc_projection"):
            save_zero123(root / layout, layout)
    return {folder.name: folder for folder in root.iterdir()}


def save_zero123(folder: Path, component: str) -> None:
    """A Zero-1-to-3 folder in one of the two public layouts."""
    import json

    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    tiny_unet(8, 4, 8, 16).save_pretrained(folder / "unet")
    tiny_vae(3, 4, 4, 64).save_pretrained(folder / "vae")
    steps().save_pretrained(folder / "scheduler")
    CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=16)).eval().save_pretrained(folder / "image_encoder")
    layer = {"clip_camera_projection": "proj", "cc_projection": "projection"}[component]
    (folder / component).mkdir()
    save_file({f"{layer}.weight": torch.randn(16, 20) * 0.2, f"{layer}.bias": torch.randn(16) * 0.1},
              folder / component / "diffusion_pytorch_model.safetensors")
    (folder / "model_index.json").write_text(json.dumps({
        "_class_name": "Zero1to3StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"], "scheduler": ["diffusers", "DDPMScheduler"],
        "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        component: ["zero123", "CLIPCameraProjection"]}))
