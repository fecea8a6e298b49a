# SPDX-License-Identifier: GPL-3.0-or-later
"""Public image models without their weights: genuine diffusers folders of the true sizes, to measure speed and memory.

    python tests/benchmarks/random_prior.py sd15 out/sd15 [--tiny] [--filled] [--dtype bfloat16] [--no-text]

The sizes are those of the published configurations. A folder is written in milliseconds and takes no disk, because its
weights are files with holes, all zero; `randomise` draws the values on the device after loading. `--filled` writes
drawn values instead. `tiny` has the same layout with a few channels, for tests. Tokenizers know letters only. Nothing
sensible comes out of any of these, at the speed of the real ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import torch
from torch import nn

from backend.priors.base import Prior
from backend.priors.loading import quiet

DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
PIPELINES = {"sd": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline", "if": "IFPipeline"}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
          "hidden_act": "quick_gelu", "projection_dim": 768}
OPEN_CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16,
               "hidden_act": "gelu", "projection_dim": 512}
OPEN_CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
               "hidden_act": "gelu", "projection_dim": 1280}
TINY_CLIP = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
             "projection_dim": 16}
VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 512}
TINY_VAE = {"block_out_channels": (4, 4, 4, 4), "layers_per_block": 1, "norm_num_groups": 2, "sample_size": 64}
CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")
SIMPLE, SAMPLE = ("SimpleCrossAttnDownBlock2D", "SimpleCrossAttnUpBlock2D"), (
    "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D")
DEEPFLOYD: dict[str, Any] = {
    "in_channels": 3, "out_channels": 6, "sample_size": 64, "act_fn": "gelu", "addition_embed_type": "text",
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn", "resnet_time_scale_shift": "scale_shift",
    "cross_attention_norm": "group_norm", "resnet_skip_time_act": True, "time_embedding_act_fn": "gelu",
}


def _blocks(*kinds: tuple[str, str]) -> dict[str, Any]:
    return {"down_block_types": tuple(down for down, _ in kinds), "up_block_types": tuple(up for _, up in kinds[::-1])}


@dataclass(frozen=True)
class Sizes:
    """A public model. pipeline: a key of PIPELINES. parameters: of its UNet, in millions, as published. unet, tiny:
    arguments of UNet2DConditionModel. texts: CLIP text encoders, in order; None for a T5. prediction: of the noise."""

    pipeline: str
    parameters: float
    unet: dict[str, Any]
    tiny: dict[str, Any]
    texts: tuple[dict[str, Any], ...] = ()
    vae: dict[str, Any] | None = None
    prediction: str = "epsilon"


_SD_TINY = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 16,
            "attention_head_dim": 2, "sample_size": 8, **_blocks(PLAIN, CROSS)}
MODELS: dict[str, Sizes] = {
    "sd15": Sizes(
        "sd", 859.5, {"cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64}, _SD_TINY, (CLIP_L,),
        {"scaling_factor": 0.18215}),
    "sd21": Sizes(
        "sd", 865.9, {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "sample_size": 96,
                      "use_linear_projection": True, "upcast_attention": True}, _SD_TINY, (OPEN_CLIP_H,),
        {"scaling_factor": 0.18215}, "v_prediction"),
    "sdxl": Sizes(
        "sdxl", 2567.5, {
            "sample_size": 128, "block_out_channels": (320, 640, 1280), "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20), "cross_attention_dim": 2048, "use_linear_projection": True,
            "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816, **_blocks(PLAIN, CROSS, CROSS)},
        {**_SD_TINY, "cross_attention_dim": 32, "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
         "projection_class_embeddings_input_dim": 6 * 8 + 16},
        (CLIP_L, OPEN_CLIP_G), {"scaling_factor": 0.13025, "force_upcast": True, "sample_size": 1024}),
    "if": Sizes(
        "if", 4300.0, {
            **DEEPFLOYD, "block_out_channels": (704, 1408, 2112, 2816), "layers_per_block": 3,
            "attention_head_dim": 64, "cross_attention_dim": 2816, "encoder_hid_dim": 4096,
            "addition_embed_type_num_heads": 64, **_blocks(SAMPLE, SIMPLE, SIMPLE, SIMPLE)},
        {**DEEPFLOYD, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
         "cross_attention_dim": 16, "attention_head_dim": 8, "encoder_hid_dim": 16, "addition_embed_type_num_heads": 2,
         "cross_attention_norm": None,
         **_blocks(SAMPLE, SIMPLE)}),
}
T5_XXL = {"d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_layers": 24, "num_heads": 64, "vocab_size": 32128,
          "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
TINY_T5 = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 1, "num_heads": 2, "vocab_size": 64}


def write(
    name: str, folder: Path, dtype: torch.dtype = torch.bfloat16, *, tiny: bool = False, filled: bool = False,
    text: bool = True,
) -> Path:
    """A folder in the layout of the public checkpoint `name` (a key of MODELS). text: with its text encoders."""
    sizes = MODELS[name]
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"_class_name": PIPELINES[sizes.pipeline], "_diffusers_version": "0.30.0"}
    with quiet():
        from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

        schedule = "squaredcos_cap_v2" if sizes.pipeline == "if" else "scaled_linear"
        DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule=schedule, prediction_type=sizes.prediction,
            clip_sample=False, variance_type="fixed_small").save_pretrained(folder / "scheduler")
        index["scheduler"] = ["diffusers", "DDPMScheduler"]
        _component(folder, index, "unet", UNet2DConditionModel, dict(sizes.tiny if tiny else sizes.unet), dtype, filled)
        if sizes.vae is not None:
            vae = {**(TINY_VAE if tiny else {**VAE, **sizes.vae}), "scaling_factor": sizes.vae["scaling_factor"],
                   "latent_channels": 4, "down_block_types": ("DownEncoderBlock2D",) * 4,
                   "up_block_types": ("UpDecoderBlock2D",) * 4}
            _component(folder, index, "vae", AutoencoderKL, vae, dtype, filled)
        if text:
            _texts(folder, index, sizes, dtype, tiny, filled)
        elif sizes.pipeline == "if":
            index |= {"text_encoder": [None, None], "tokenizer": [None, None]}
    for part in ("safety_checker", "feature_extractor") if sizes.pipeline != "sdxl" else ():
        index[part] = [None, None]
    if sizes.pipeline == "if":
        index["watermarker"] = [None, None]
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    return folder


def _texts(folder: Path, index: dict[str, Any], sizes: Sizes, dtype: torch.dtype, tiny: bool, filled: bool) -> None:
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        T5Config,
        T5EncoderModel,
        T5Tokenizer,
    )

    from tests.backend.priors.conftest import WORDS, clip_tokenizer

    if sizes.pipeline == "if":
        letters = [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
        T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -3.0), *letters],
                    extra_ids=0).save_pretrained(folder / "tokenizer")
        index |= {"tokenizer": ["transformers", "T5Tokenizer"]}
        _component(folder, index, "text_encoder", T5EncoderModel, T5Config(**(TINY_T5 if tiny else T5_XXL)), dtype,
                   filled)
    for number, size in enumerate(sizes.texts):
        suffix = f"_{number + 1}" if number else ""
        tokenizer = clip_tokenizer(WORDS)
        tokenizer.save_pretrained(folder / f"tokenizer{suffix}")
        index[f"tokenizer{suffix}"] = ["transformers", "CLIPTokenizer"]
        config = CLIPTextConfig(
            **(TINY_CLIP if tiny else size), vocab_size=len(tokenizer) if tiny else 49408,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id)
        _component(folder, index, f"text_encoder{suffix}", CLIPTextModelWithProjection if number else CLIPTextModel,
                   config, dtype, filled)


def _component(
    folder: Path, index: dict[str, Any], name: str, kind: Any, config: Any, dtype: torch.dtype, filled: bool
) -> None:
    """One network: its configuration and its weights, with holes unless `filled`."""
    library = "diffusers" if isinstance(config, dict) else "transformers"
    index[name] = [library, kind.__name__]
    goal = folder / name
    goal.mkdir(exist_ok=True)
    with torch.device("cpu" if filled else "meta"):
        network = kind(**config) if isinstance(config, dict) else kind(config)
    network = network.to(dtype)
    if filled:
        network.save_pretrained(goal, safe_serialization=True)
        return
    if library == "diffusers":
        network.save_config(goal)
    else:
        network.config.save_pretrained(goal)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    # Tied weights are stored once, under their first name.
    again = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    again -= {name for name, _ in network.named_parameters()}
    for key, tensor in network.state_dict().items():
        if key in again:
            continue
        size = tensor.numel() * tensor.element_size()
        header[key] = {"dtype": DTYPES.get(tensor.dtype, "I64"), "shape": list(tensor.shape),
                       "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    weights = "diffusion_pytorch_model.safetensors" if library == "diffusers" else "model.safetensors"
    with (goal / weights).open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + place)


def randomise(*networks: nn.Module) -> None:
    """Values as a fresh network has them, drawn where the network is; norms let everything pass."""
    with torch.no_grad():
        for network in networks:
            drawn: set[int] = set()
            for module in network.modules():
                reset = getattr(module, "reset_parameters", None)
                if callable(reset):
                    reset()
                    drawn |= {id(one) for one in module.parameters(recurse=False)}
            for one in network.parameters():
                if id(one) not in drawn:
                    one.fill_(1.0) if one.ndim < 2 else one.normal_(std=0.02)


def networks_of(prior: Prior) -> list[nn.Module]:
    """The image network of a loaded prior, and its VAE where it has one."""
    vae = getattr(getattr(prior, "codec", None), "vae", None)
    return [one for one in (getattr(prior, "backbone", None), vae) if one is not None]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", default="bfloat16", choices=[str(one).removeprefix("torch.") for one in DTYPES])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--filled", action="store_true")
    parser.add_argument("--no-text", action="store_true")
    chosen = parser.parse_args(arguments)
    print(write(chosen.model, chosen.folder, getattr(torch, chosen.dtype), tiny=chosen.tiny, filled=chosen.filled,
                text=not chosen.no_text))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
