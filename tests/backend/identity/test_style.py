# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture's style through a genuine IP-Adapter of a tiny Stable Diffusion, and clear words where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.identity.speaking import speaking
from backend.identity.style import styled
from backend.jobs.previews import png
from backend.priors import embedded, stable_diffusion
from backend.priors.loading import quiet
from backend.priors.prompts import PromptBook
from protocol.errors import BadRequest, BrokenWeights
from tests.backend.identity.test_speaking import changed

WIDTH = 12  # of the image encoder's vector
PICTURE = np.random.default_rng(4).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def adapter(unet, width: int) -> dict[str, torch.Tensor]:
    """The tensors of an IP-Adapter for this network, in the names of the published files, random."""
    tokens = unet.config.cross_attention_dim
    generator = torch.Generator().manual_seed(6)
    tensors = {"image_proj.proj.weight": torch.randn(4 * tokens, width, generator=generator),
               "image_proj.proj.bias": torch.zeros(4 * tokens),
               "image_proj.norm.weight": torch.ones(tokens), "image_proj.norm.bias": torch.zeros(tokens)}
    cross = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(unet.attn_processors):
        if name in cross:
            layer = unet.get_submodule(name.removesuffix(".processor")).to_k
            for end in ("to_k_ip", "to_v_ip"):
                tensors[f"ip_adapter.{number}.{end}.weight"] = torch.randn(layer.weight.shape, generator=generator)
    return tensors


@pytest.fixture(scope="module")
def folder(public_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion with an adapter and its image encoder in its folder."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    where = tmp_path_factory.mktemp("styled") / "sd1"
    shutil.copytree(public_folders["sd1"], where)
    torch.manual_seed(3)
    with quiet():
        CLIPVisionModelWithProjection(CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32,
            patch_size=16, projection_dim=WIDTH)).save_pretrained(where / "image_encoder")
    (where / "ip_adapter").mkdir()
    save_file(adapter(stable_diffusion.load(where).unet, WIDTH), where / "ip_adapter" / "ip-adapter.safetensors")
    return where


def answers(prior, prompt: str = "a red cube") -> torch.Tensor:
    """What it thinks without and with the prompt, as guidance asks."""
    book = PromptBook(prior, prompt, "a back")
    x = torch.randn(1, *prior.traits.latent_shape, generator=torch.Generator().manual_seed(2))
    both = prior.predict_branches(x, torch.tensor([400]), [book.negative(1), book.positive(1)])
    return torch.cat([one.eps for one in both])


def test_the_style_speaks_where_the_prompt_does(folder):
    prior = stable_diffusion.load(folder)
    before = answers(prior)
    inputs = {"style_picture": png(PICTURE)}
    made = styled(prior, folder, inputs, 1.0, ("a back", ""))
    after = answers(made)
    assert not torch.allclose(after[1], before[1], atol=1e-3)
    other = answers(styled(prior, folder, {"style_picture": png(PICTURE[::-1] // 3)}, 1.0, ("a back", "")))
    assert not torch.allclose(other[1], after[1], atol=1e-4) and torch.equal(other[0], after[0])
    assert torch.equal(answers(prior), before)
    assert torch.equal(answers(styled(prior, folder, inputs, 0.0, ("a back", ""))), before)
    assert styled(prior, folder, {}, 1.0, ()) is prior
    kept = {id(one) for one in prior.unet.parameters()}
    assert sum(id(one) in kept for one in made.unet.parameters()) == len(kept)  # shared, not copied


def test_it_agrees_with_the_pipeline_of_diffusers(folder):
    from diffusers import StableDiffusionPipeline
    from PIL import Image

    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, safety_checker=None,
                                                       requires_safety_checker=False)
    pipeline.load_ip_adapter(str(folder), subfolder="ip_adapter", weight_name="ip-adapter.safetensors",
                             image_encoder_folder="./image_encoder")
    pipeline.set_ip_adapter_scale(0.7)
    embeds = pipeline.prepare_ip_adapter_image_embeds(Image.fromarray(PICTURE), None, "cpu", 1, True)
    prior = stable_diffusion.load(folder)
    ours = answers(styled(prior, folder, {"style_picture": png(PICTURE)}, 0.7, ("a back", "")))
    x = torch.randn(1, *prior.traits.latent_shape, generator=torch.Generator().manual_seed(2)).repeat(2, 1, 1, 1)
    with torch.no_grad():
        theirs = pipeline.unet(x, torch.tensor(400), prior.embed(["a back", "a red cube"]).tokens,
                               added_cond_kwargs={"image_embeds": embeds}).sample
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_words_and_style_go_together(folder):
    prior = stable_diffusion.load(folder)
    made = styled(prior, folder, {"style_picture": png(PICTURE)}, 1.0, ("a back", ""))
    taught = speaking(made, {"identity_0": changed(prior)}, "a zorblu cube")
    assert not torch.allclose(answers(taught, "a zorblu cube"), answers(made, "a zorblu cube"), atol=1e-3)


def test_priors_that_take_no_picture_say_so(folder, public_folders, embedded_folders, encoder):
    inputs = {"style_picture": png(PICTURE)}
    plain = stable_diffusion.load(public_folders["sd1"])
    with pytest.raises(BadRequest, match="no image adapter") as caught:
        styled(plain, public_folders["sd1"], inputs, 1.0, ())
    assert caught.value.path == "inputs.style_picture" and "IP-Adapter" in caught.value.hint
    ours = embedded.load(embedded_folders["pixel"], encoder=encoder)
    with pytest.raises(BadRequest, match="understands words only"):
        styled(ours, embedded_folders["pixel"], inputs, 1.0, ())
    with pytest.raises(BadRequest, match="cannot be read"):
        styled(plain, folder, {"style_picture": np.arange(99, dtype=np.uint8)}, 1.0, ())


def test_an_adapter_that_does_not_fit_is_named(folder, tmp_path):
    where = tmp_path / "sd1"
    shutil.copytree(folder, where)
    prior = stable_diffusion.load(where)
    save_file(adapter(prior.unet, WIDTH + 1), where / "ip_adapter" / "ip-adapter.safetensors")
    with pytest.raises(BrokenWeights, match=r"ip-adapter\.safetensors"):
        answers(styled(prior, where, {"style_picture": png(PICTURE)}, 1.0, ()))
