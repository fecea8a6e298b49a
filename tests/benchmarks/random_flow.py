# SPDX-License-Identifier: GPL-3.0-or-later
"""Rectified-flow transformers at their true sizes without their weights, and what one pass of them takes.

    python tests/benchmarks/random_flow.py sd35-medium out/sd35 [--measure cuda] [--no-text] [--repeats 5]

writes a genuine diffusers folder whose weights are files with holes (see `random_prior`): no disk, no download, and
anything that takes a `prior` can be run with it. `--measure` loads it on a device, draws values there, and prints what
one guided image takes at 512 and 1024 pixels: milliseconds and bytes of the pass, of encoding and of decoding, beside
the bytes that the plan counts on. Nothing sensible comes out of such a network, at the speed of the real one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import torch

from backend.priors import catalog
from backend.priors.flow_prior import FlowPrior
from backend.priors.footprint import Footprint, footprint
from backend.priors.loading import quiet
from tests.backend.priors.conftest import WORDS, clip_tokenizer
from tests.backend.priors.flow_folders import qwen_tokenizer, t5_pair
from tests.benchmarks.random_prior import CLIP_L, OPEN_CLIP_G, T5_XXL, _component, networks_of, randomise

VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 1024, "latent_channels": 16,
       "scaling_factor": 0.3611, "shift_factor": 0.1159, "use_quant_conv": False, "use_post_quant_conv": False,
       "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
QWEN_4B = {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
           "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": True}
SD3: dict[str, Any] = {"sample_size": 128, "joint_attention_dim": 4096, "pooled_projection_dim": 2048}
SD3_TEXTS = (("text_encoder", "CLIPTextModelWithProjection", CLIP_L),
             ("text_encoder_2", "CLIPTextModelWithProjection", OPEN_CLIP_G),
             ("text_encoder_3", "T5EncoderModel", T5_XXL))
FLUX_TEXTS = (("text_encoder", "CLIPTextModel", CLIP_L), ("text_encoder_2", "T5EncoderModel", T5_XXL))


@dataclass(frozen=True)
class Model:
    """A public model. parameters: of its transformer, in billions, with its table of places. network: its arguments.
    texts: (component, class, configuration) of each encoder. scheduler: of the flow."""

    pipeline: str
    parameters: float
    kind: str
    network: dict[str, Any]
    texts: tuple[tuple[str, str, dict[str, Any]], ...]
    scheduler: dict[str, Any]
    vae: tuple[str, dict[str, Any]] = ("AutoencoderKL", VAE)


MODELS: dict[str, Model] = {
    "sd35-medium": Model(
        "StableDiffusion3Pipeline", 2.47, "SD3Transformer2DModel",
        {**SD3, "num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "qk_norm": "rms_norm",
         "pos_embed_max_size": 384, "dual_attention_layers": tuple(range(13))}, SD3_TEXTS, {"shift": 3.0}),
    "sd35-large": Model(
        "StableDiffusion3Pipeline", 8.15, "SD3Transformer2DModel",
        {**SD3, "num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm",
         "pos_embed_max_size": 192}, SD3_TEXTS, {"shift": 3.0}),
    "flux1-dev": Model("FluxPipeline", 11.9, "FluxTransformer2DModel", {"guidance_embeds": True}, FLUX_TEXTS,
                       {"shift": 3.0, "use_dynamic_shifting": True}),
    "flux2-klein": Model(
        "Flux2KleinPipeline", 3.88, "Flux2Transformer2DModel",
        {"num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680,
         "guidance_embeds": False}, (("text_encoder", "Qwen3ForCausalLM", QWEN_4B),),
        {"shift": 3.0, "use_dynamic_shifting": True}, ("AutoencoderKLFlux2", {})),
    "z-image": Model("ZImagePipeline", 6.15, "ZImageTransformer2DModel", {},
                     (("text_encoder", "Qwen3Model", QWEN_4B),), {"shift": 6.0}),
}


def write(name: str, folder: Path, dtype: torch.dtype = torch.bfloat16, text: bool = True) -> Path:
    """A folder in the layout of the public model `name` (a key of MODELS). text: with its text encoders."""
    import diffusers
    import transformers

    model = MODELS[name]
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"_class_name": model.pipeline, "_diffusers_version": diffusers.__version__}
    with quiet():
        index["scheduler"] = ["diffusers", "FlowMatchEulerDiscreteScheduler"]
        diffusers.FlowMatchEulerDiscreteScheduler(**model.scheduler).save_pretrained(folder / "scheduler")
        _component(folder, index, "transformer", getattr(diffusers, model.kind), dict(model.network), dtype, False)
        _component(folder, index, "vae", getattr(diffusers, model.vae[0]), dict(model.vae[1]), dtype, False)
        for component, kind, sizes in model.texts:
            place = component.replace("text_encoder", "tokenizer")
            cls = getattr(transformers, kind)
            tokenizer = (clip_tokenizer(WORDS) if "CLIP" in kind else t5_pair(8)[0] if "T5" in kind
                         else qwen_tokenizer())
            tokenizer.save_pretrained(folder / place)
            index[place] = ["transformers", type(tokenizer).__name__]
            if not text:
                index[component] = [None, None]
                continue
            marks = {f"{mark}_token_id": getattr(tokenizer, f"{mark}_token_id") for mark in ("bos", "eos", "pad")}
            config = cls.config_class(**{**({"vocab_size": 49408, **marks} if "CLIP" in kind else {}), **sizes})
            _component(folder, index, component, cls, config, dtype, False)
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    return folder


def measure(folder: Path, device: torch.device, repeats: int) -> list[dict[str, Any]]:
    """One row a picture size: what one guided image takes of a folder's network."""
    loaded = catalog.load(str(folder), "fine", device)
    assert isinstance(loaded, FlowPrior)
    randomise(*networks_of(loaded))
    return [_row(loaded.at(size), footprint(folder, loaded.dtype, size), repeats)
            for size in (512, loaded.traits.resolution)]


def _row(prior: FlowPrior, found: Footprint, repeats: int) -> dict[str, Any]:
    size, device = prior.traits.resolution, prior.device
    text = prior.blank_text(prior.transformer, 1)
    for part in (text.tokens, text.pooled):
        if part is not None:
            part.normal_()
    x, t = torch.randn(1, *prior.traits.latent_shape, device=device), torch.full((1,), 500, device=device)
    image = torch.rand(1, 3, size, size, device=device)
    works: dict[str, tuple[Callable[[], object], int]] = {
        "pass": (lambda: prior.predict_branches(x, t, [text, text]), 2 * found.network),
        "encode": (lambda: prior.encode(image, True), found.encode), "decode": (lambda: prior.decode(x), found.decode)}
    row: dict[str, Any] = {"pixels": size, "weights_gb": found.weights / 1e9}
    for name, (work, counted) in works.items():
        seconds, taken = _timed(work, device, repeats)
        row |= {f"{name}_ms": 1000 * seconds, f"{name}_mb": taken / 1e6, f"{name}_planned_mb": counted / 1e6}
    return {key: round(value, 2) for key, value in row.items()}


def _timed(work: Callable[[], object], device: torch.device, repeats: int) -> tuple[float, int]:
    """(median seconds, bytes above what was held before; 0 on a CPU)."""
    is_gpu = device.type == "cuda"
    work()
    held = torch.cuda.memory_allocated(device) if is_gpu else 0
    if is_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        if is_gpu:
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds), torch.cuda.max_memory_allocated(device) - held if is_gpu else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--measure", metavar="DEVICE")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-text", action="store_true")
    chosen = parser.parse_args(arguments)
    folder = write(chosen.model, chosen.folder, text=not chosen.no_text)
    print(folder)
    if chosen.measure:
        print(json.dumps(measure(folder, torch.device(chosen.measure), chosen.repeats), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
