# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny rectified-flow pipelines in the layouts of public checkpoints, written by diffusers itself, random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from backend.priors.loading import quiet
from tests.backend.priors.conftest import WORDS, clip_text_model, clip_tokenizer

CELLS, PIXELS = 8, 32  # of a latent, of a picture: a VAE of three levels

CHAT = ("{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def flow_vae():
    """16 channels, a shift, no quantising layers: the VAE of all three families, small."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=16, norm_num_groups=4, block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, sample_size=PIXELS,
        scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False,
        mid_block_add_attention=False).eval()


def t5_pair(width: int):
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -3.0),
              *((f"▁{word}", -2.0) for word in WORDS if len(word) > 1)]
    pieces += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    model = T5EncoderModel(T5Config(vocab_size=len(pieces), d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    return T5Tokenizer(vocab=pieces, extra_ids=0), model.eval()


def save_stable_diffusion_3(folder: Path, shift: float = 3.0, with_t5: bool = True) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(2)
    with quiet():
        clip = clip_tokenizer(WORDS)
        tokenizer, t5 = t5_pair(32) if with_t5 else (None, None)
        StableDiffusion3Pipeline(
            transformer=SD3Transformer2DModel(
                sample_size=CELLS, patch_size=2, in_channels=16, num_layers=2, attention_head_dim=8,
                num_attention_heads=4, joint_attention_dim=32, caption_projection_dim=32, pooled_projection_dim=16,
                out_channels=16, pos_embed_max_size=CELLS, dual_attention_layers=(0,), qk_norm="rms_norm").eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=shift), vae=flow_vae(),
            text_encoder=clip_text_model(clip, 16, projected=8), tokenizer=clip,
            text_encoder_2=clip_text_model(clip, 16, projected=8), tokenizer_2=clip,
            text_encoder_3=t5, tokenizer_3=tokenizer).save_pretrained(folder)


def save_flux(folder: Path, guidance_embeds: bool = False, channels: int = 16) -> None:
    """The scheduler is FLUX.1 dev's where guidance is embedded, schnell's otherwise."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(3)
    with quiet():
        clip = clip_tokenizer(WORDS)
        tokenizer, t5 = t5_pair(32)
        scheduler = (FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True) if guidance_embeds
                     else FlowMatchEulerDiscreteScheduler(shift=1.0))
        FluxPipeline(
            transformer=FluxTransformer2DModel(
                in_channels=4 * channels, num_layers=1, num_single_layers=1, attention_head_dim=8,
                num_attention_heads=2, joint_attention_dim=32, pooled_projection_dim=16, axes_dims_rope=(2, 2, 4),
                guidance_embeds=guidance_embeds).eval(),
            scheduler=scheduler, vae=flow_vae(), text_encoder=clip_text_model(clip, 16), tokenizer=clip,
            text_encoder_2=t5, tokenizer_2=tokenizer).save_pretrained(folder)


def qwen_tokenizer():
    """Knows single letters and the marks of a conversation."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    letters = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(vocab=letters, merges=[], model_max_length=512)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHAT
    return tokenizer


def qwen_pair(kind: str, layers: int):
    """(a tokenizer, a small Qwen 3 of this class)."""
    import transformers

    tokenizer = qwen_tokenizer()
    text = getattr(transformers, kind)(transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=1024)).eval()
    return tokenizer, text


def save_flux_2(folder: Path, is_distilled: bool = False) -> None:
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Transformer2DModel,
    )

    torch.manual_seed(5)
    with quiet():
        vae = AutoencoderKLFlux2(
            latent_channels=4, norm_num_groups=4, block_out_channels=(8, 8, 8), sample_size=PIXELS,
            down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
            mid_block_add_attention=False).eval()
        vae.bn.running_mean.normal_()  # as training leaves them: not 0 and 1
        vae.bn.running_var.uniform_(0.2, 2.0)
        tokenizer, text = qwen_pair("Qwen3ForCausalLM", 28)  # it reads the 27th layer
        Flux2KleinPipeline(
            transformer=Flux2Transformer2DModel(
                in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2,
                joint_attention_dim=48, timestep_guidance_channels=32, axes_dims_rope=(2, 2, 2, 2),
                guidance_embeds=False).eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True), vae=vae,
            text_encoder=text, tokenizer=tokenizer, is_distilled=is_distilled).save_pretrained(folder)


def save_z_image(folder: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel

    torch.manual_seed(4)
    with quiet():
        tokenizer, text = qwen_pair("Qwen3Model", 2)
        transformer = ZImageTransformer2DModel(
            in_channels=16, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
            axes_dims=[4, 6, 6], axes_lens=[1024, 64, 64]).eval()
        # What training leaves of these is never zero; made without content, they would say nothing.
        for token in (transformer.x_pad_token, transformer.cap_pad_token):
            torch.nn.init.normal_(token)
        ZImagePipeline(transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0), vae=flow_vae(),
                       text_encoder=text, tokenizer=tokenizer).save_pretrained(folder)
