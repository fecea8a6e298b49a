# SPDX-License-Identifier: GPL-3.0-or-later
"""Rectified-flow transformers against diffusers' own pipelines: the same folder, noise and steps give the same picture.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinPipeline
from diffusers.pipelines.flux2 import pipeline_flux2_klein

from backend.distillation.guidance import Guidance, PerpNeg
from backend.distillation.sds import FORMS, DistillationSettings, ScoreDistillation
from backend.distillation.variational import LowRankStudent, VariationalDistillation
from backend.priors import catalog, flows
from backend.priors.base import TextEmbedding
from backend.priors.flow_prior import FlowPrior, shift_of
from backend.priors.flux import FluxPrior, packed, unpacked
from backend.priors.flux_2 import Flux2Prior, folded, unfolded
from backend.priors.footprint import Alive, footprint
from backend.priors.loading import load_pipeline
from backend.priors.noise import FlowSchedule
from backend.priors.prompts import PromptBook
from backend.priors.stable_diffusion_3 import StableDiffusion3Prior
from backend.priors.views import ViewCondition
from backend.priors.z_image import ZImagePrior
from backend.transfer import sent
from protocol.errors import BrokenWeights, PriorNotFound
from tests.backend.pretend import GPU, pretend_gpu
from tests.backend.priors.flow_folders import (
    CELLS,
    PIXELS,
    save_flux,
    save_flux_2,
    save_stable_diffusion_3,
    save_z_image,
)

PROMPT, STEPS, SEED = "a red cube", 5, 7
FAMILIES: dict[str, tuple[type[FlowPrior], Callable[[Path], None]]] = {
    "sd3": (StableDiffusion3Prior, save_stable_diffusion_3),
    "flux": (FluxPrior, save_flux),
    "flux-dev": (FluxPrior, lambda folder: save_flux(folder, guidance_embeds=True)),
    "flux-2": (Flux2Prior, save_flux_2),
    "z-image": (ZImagePrior, save_z_image),
}
Folders = dict[str, Path]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("flows")
    for name, (_, save) in FAMILIES.items():
        save(root / name)
    return {name: root / name for name in FAMILIES}


def load(folder: Path) -> FlowPrior:
    prior = catalog.load(str(folder), "fine", dtype=torch.float32)
    assert isinstance(prior, FlowPrior)
    return prior


@pytest.fixture(autouse=True)
def many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLUX.2's pipeline shifts levels further the fewer its steps are; ours are those of many steps."""
    plain = pipeline_flux2_klein.compute_empirical_mu
    monkeypatch.setattr(pipeline_flux2_klein, "compute_empirical_mu", lambda image_seq_len, num_steps: plain(
        image_seq_len, 200))


def starting_noise(size: int, pipeline: Any) -> torch.Tensor:
    """As `Prior.sample` draws it."""
    fold = 2 if type(pipeline).__name__ == "Flux2KleinPipeline" else 1
    cells = size * CELLS // PIXELS // fold
    return torch.randn(1, 16, cells, cells, generator=torch.Generator().manual_seed(SEED))


def picture_of_pipeline(folder: Path, size: int, scale: float, **given: None) -> torch.Tensor:
    """(1, 3, size, size) in 0..1, by diffusers alone."""
    pipeline = load_pipeline(folder, torch.float32, **given)
    noise, kind = starting_noise(size, pipeline), type(pipeline).__name__
    more: dict[str, Any] = {}
    if kind == "FluxPipeline":
        noise = pipeline._pack_latents(noise, 1, 16, *noise.shape[-2:])
        if pipeline.transformer.config.guidance_embeds:
            more = {"guidance_scale": scale}
        else:
            more = {"true_cfg_scale": scale, "negative_prompt": "", "max_sequence_length": 256}
    elif kind == "Flux2KleinPipeline":
        more = {"guidance_scale": scale}
    elif kind == "ZImagePipeline":
        more = {"guidance_scale": scale - 1, "negative_prompt": ""}  # it counts from 0
    else:
        more = {"guidance_scale": scale, "negative_prompt": ""}
    return pipeline(prompt=PROMPT, height=size, width=size, num_inference_steps=STEPS, latents=noise, output_type="pt",
                    sigmas=np.linspace(1.0, 1 / STEPS, STEPS).tolist(), **more).images


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_noise_and_steps_give_the_picture_of_diffusers(folders: Folders, name: str) -> None:
    prior = load(folders[name])
    assert type(prior) is FAMILIES[name][0] and prior.traits.resolution == PIXELS
    wanted = picture_of_pipeline(folders[name], PIXELS, 3.5)
    made = prior.sample(PROMPT, steps=STEPS, seed=SEED, guidance=3.5)
    torch.testing.assert_close(made, wanted, rtol=0, atol=2e-5)
    other = prior.sample("view", steps=STEPS, seed=SEED, guidance=3.5)
    assert wanted.std() > 0.05 and (made - other).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["flux", "flux-dev", "flux-2"])
def test_smaller_pictures_are_those_of_diffusers_too(folders: Folders, name: str) -> None:
    native = load(folders[name])
    small = native.at(16)
    assert small is native.at(16) and small.at(PIXELS) is native and native.at(PIXELS) is native
    assert small.backbone is native.backbone and small.traits.latent_shape[1] * 2 == native.traits.latent_shape[1]
    torch.testing.assert_close(small.sample(PROMPT, steps=STEPS, seed=SEED, guidance=3.5),
                               picture_of_pipeline(folders[name], 16, 3.5), rtol=0, atol=2e-5)
    assert small.noise.sigmas[499] < native.noise.sigmas[499] or name == "flux"
    with pytest.raises(ValueError, match="multiples of 8 px"):
        native.at(20)


def test_stages_get_their_size_of_one_network(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    prior = load(folders["sd3"])
    assert catalog.for_stage(prior, "coarse") is prior is catalog.for_stage(prior, "fine")
    monkeypatch.setattr(flows, "COARSE_PIXELS", 16)
    assert [flows.picture_size(folders["sd3"], role) for role in ("coarse", "fine")] == [16, PIXELS]
    coarse = catalog.for_stage(prior, "coarse")
    assert coarse.traits.resolution == 16 and coarse is catalog.for_stage(prior, "coarse")
    assert catalog.for_stage(prior, "fine") is prior
    s = torch.arange(1, 1001, dtype=torch.float64) / 1000
    torch.testing.assert_close(coarse.noise.sigmas, (1.5 * s / (1 + 0.5 * s)).float())  # half the side, half the shift


@pytest.mark.parametrize("name", FAMILIES)
def test_texts_are_read_as_diffusers_reads_them_and_the_encoders_go(folders: Folders, name: str) -> None:
    prior = load(folders[name])
    assert not prior.read.is_loaded and prior.parts.text_encoder is None  # they wait for a prompt
    text = prior.embed([PROMPT, ""])
    pipeline = load_pipeline(folders[name], torch.float32)
    if name == "z-image":
        wanted = pipeline.encode_prompt([PROMPT], "cpu", do_classifier_free_guidance=False)[0][0]
        assert text.mask is not None and int(text.mask[0].sum()) == len(wanted)
        torch.testing.assert_close(text.tokens[0, : len(wanted)], wanted)
    elif name == "flux-2":
        wanted = pipeline.encode_prompt([PROMPT])[0]
        torch.testing.assert_close(text.tokens[:1], wanted, rtol=1e-3, atol=1e-4)
    elif name == "sd3":
        wanted, _, pooled, _ = pipeline.encode_prompt(PROMPT, None, None, do_classifier_free_guidance=False)
        torch.testing.assert_close(text.tokens[:1], wanted, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(text.pooled[:1], pooled)
    else:
        length = 512 if name == "flux-dev" else 256
        wanted, pooled, _ = pipeline.encode_prompt(PROMPT, None, max_sequence_length=length)
        torch.testing.assert_close(text.tokens[:1], wanted, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(text.pooled[:1], pooled)
    prior.release_text()
    assert prior.parts.text_encoder is None and getattr(prior.parts, "text_encoder_2", None) is None
    assert torch.equal(prior.embed([PROMPT]).tokens, text.tokens[:1]) and not prior.read.is_loaded  # remembered
    prior.embed(["a cube"])
    assert prior.read.loads == 2


def test_stable_diffusion_3_without_t5(tmp_path: Path) -> None:
    save_stable_diffusion_3(tmp_path / "light", with_t5=False)
    prior = load(tmp_path / "light")
    assert prior.embed([PROMPT]).tokens[0, 77:].abs().max() == 0  # T5's place is empty, as in diffusers
    torch.testing.assert_close(prior.sample(PROMPT, steps=STEPS, seed=SEED, guidance=3.5),
                               picture_of_pipeline(tmp_path / "light", PIXELS, 3.5, text_encoder_3=None,
                                                   tokenizer_3=None), rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_way_into_the_latent_space_and_back(folders: Folders, name: str) -> None:
    prior = load(folders[name])
    vae = load_pipeline(folders[name], torch.float32).vae
    image = torch.rand(2, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mode = vae.encode(image * 2 - 1).latent_dist.mode()
        back = (vae.decode(mode).sample * 0.5 + 0.5).clamp(0, 1)
    latents = prior.encode(image)
    if name == "flux-2":
        deviation = (vae.bn.running_var + vae.config.batch_norm_eps).sqrt().view(1, -1, 1, 1)
        wanted = (Flux2KleinPipeline._patchify_latents(mode) - vae.bn.running_mean.view(1, -1, 1, 1)) / deviation
    else:
        wanted = (mode - 0.1159) * 0.3611
    torch.testing.assert_close(latents, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(prior.decode(latents), back, rtol=1e-4, atol=1e-5)
    image.requires_grad_(True)
    for cheap in (False, True):
        gradient, = torch.autograd.grad(prior.encode(image, cheap).square().sum(), image)
        assert gradient.abs().max() > 0 and gradient.isfinite().all()


def test_packing_is_that_of_diffusers() -> None:
    from diffusers import FluxPipeline

    x = torch.randn(2, 16, 6, 4)
    assert torch.equal(unfolded(folded(x)), x) and torch.equal(folded(x), Flux2KleinPipeline._patchify_latents(x))
    torch.testing.assert_close(packed(x), FluxPipeline._pack_latents(x, 2, 16, 6, 4))
    assert torch.equal(unpacked(packed(x), 6, 4), x)


def test_guidance_is_told_to_a_network_that_has_an_ear_for_it(folders: Folders) -> None:
    prior = load(folders["flux-dev"])
    assert isinstance(prior, FluxPrior)
    seen: list[tuple[int, float]] = []
    prior.transformer.register_forward_pre_hook(
        lambda _, args, given: seen.append((len(given["hidden_states"]), float(given["guidance"][0]))),
        with_kwargs=True)
    x, t = torch.randn(2, 16, CELLS, CELLS), torch.tensor([200, 700])
    text, empty = prior.embed([PROMPT]), prior.embed([""])
    guided, plain = prior.guided(x, t, text, empty, None, 3.5)
    assert seen == [(2, 3.5)] and guided is plain
    prior.guided(x, t, text, empty, None, 50.0)  # beyond what it was told in training: the difference of two answers
    prior.predict_branches(x, t, [text, empty])
    assert seen[1:] == [(4, 1.0), (4, 1.0)]


def test_a_network_of_few_steps_takes_no_guidance(folders: Folders, tmp_path: Path) -> None:
    shutil.copytree(folders["flux"], tmp_path / "FLUX.1-schnell")
    prior = load(tmp_path / "FLUX.1-schnell")
    assert not prior.traits.takes_guidance and load(folders["flux"]).traits.takes_guidance
    made = [prior.sample(PROMPT, steps=2, seed=1, guidance=scale) for scale in (1.0, 7.5)]
    assert torch.equal(*made)
    save_flux_2(tmp_path / "klein", is_distilled=True)
    assert not load(tmp_path / "klein").traits.takes_guidance  # its folder says so itself
    with pytest.raises(ValueError, match="Perp-Neg"):
        Guidance(prior, PromptBook(prior, PROMPT), 7.5, PerpNeg())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_form_of_distillation_gives_a_gradient(folders: Folders, name: str, form: str) -> None:
    prior = load(folders[name])
    sds = ScoreDistillation(Guidance(prior, PromptBook(prior, PROMPT, "view"), 7.5), DistillationSettings(form=form),
                            torch.Generator().manual_seed(0))
    image = torch.rand(2, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    found = sds(image, ViewCondition.turntable(2))
    found.loss.backward()
    assert image.grad is not None and image.grad.isfinite().all() and (image.grad.flatten(1).norm(dim=1) > 0).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_student_begins_as_the_prior_and_learns(folders: Folders, name: str) -> None:
    prior = load(folders[name])
    book, view = PromptBook(prior, PROMPT), ViewCondition.turntable(2)
    student = LowRankStudent(prior, book.positive(1))
    x, t = torch.randn(2, *prior.traits.latent_shape), torch.tensor([200, 700])
    text = book.positive(1)
    torch.testing.assert_close(student(x, t, view).eps.detach(), prior.predict(x, t, text).eps)
    vsd = VariationalDistillation(Guidance(prior, book, 1.0), student, DistillationSettings(),
                                  torch.Generator().manual_seed(0))
    images = torch.rand(2, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(1))
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-2)
    for _ in range(3):  # the ways in begin at zero and stand still in the first step
        optimiser.zero_grad()
        vsd.learn(images, view).backward()
        optimiser.step()
    assert student.camera is not None
    assert all(change.up.abs().max() > 0 for change in student.changes)
    assert student.camera[2].weight.abs().max() > 0 and student.camera[0].weight.grad.abs().max() > 0
    assert (student(x, t, view).eps.detach() - prior.predict(x, t, text).eps).abs().max() > 1e-4


def test_what_does_not_fit_is_refused_before_any_work(folders: Folders, tmp_path: Path) -> None:
    from diffusers import DDPMScheduler

    other = tmp_path / "ddpm"
    shutil.copytree(folders["sd3"], other)
    DDPMScheduler().save_pretrained(other / "scheduler")
    index = json.loads((other / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "DDPMScheduler"]
    (other / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(BrokenWeights, match="rectified flow|could not be loaded"):
        load(other)
    save_flux(tmp_path / "fill", channels=24)
    with pytest.raises(BrokenWeights, match="takes 24 channels where its VAE gives 16"):
        load(tmp_path / "fill")
    shutil.copytree(folders["z-image"], tmp_path / "cut")
    weights = next((tmp_path / "cut" / "transformer").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(BrokenWeights, match="damaged"):
        load(tmp_path / "cut")
    weights.unlink()
    with pytest.raises(BrokenWeights):
        load(tmp_path / "cut")
    with pytest.raises(PriorNotFound, match="ControlNet"):
        catalog.load(f"{folders['flux']} + {folders['sd3']}", "fine", dtype=torch.float32)
    index["_class_name"] = "FluxKontextPipeline"
    (other / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(PriorNotFound, match="FluxKontextPipeline"):
        load(other)


def test_shifts_are_those_of_the_schedulers() -> None:
    from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

    static, flat = FlowMatchEulerDiscreteScheduler(shift=3.0), FlowMatchEulerDiscreteScheduler(shift=1.0)
    assert shift_of(static, 4096, 1.0) == 3.0 and shift_of(static, 1024, 0.5) == 1.5 and shift_of(static, 64, 0.1) == 1
    assert shift_of(flat, 1024, 0.5) == 1.0
    dynamic = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    assert shift_of(dynamic, 4096, 1.0) == pytest.approx(np.exp(1.15)) and shift_of(dynamic, 256, 0.25) == np.exp(0.5)
    linear = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type="linear")
    assert shift_of(linear, 4096, 1.0) == pytest.approx(1.15)
    assert shift_of(UniPCMultistepScheduler(use_flow_sigmas=True, flow_shift=2.0,
                                            prediction_type="flow_prediction"), 4096, 1.0) == 2.0
    with pytest.raises(BrokenWeights, match="rectified flow"):
        shift_of(DDIMScheduler(), 4096, 1.0)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_folder_needs_is_what_it_takes(folders: Folders, name: str) -> None:
    """Weights to the byte, a pass as this machine's own allocations say; learning keeps more than looking."""
    prior, found = load(folders[name]), footprint(folders[name], torch.float32)
    networks = [prior.transformer, prior.parts.vae]
    assert found.weights == sum(one.numel() * 4 for network in networks for one in network.state_dict().values())
    prior.embed([PROMPT])
    encoders = [getattr(prior.parts, one) for one in ("text_encoder", "text_encoder_2", "text_encoder_3")
                if hasattr(prior.parts, one)]
    assert found.text == pytest.approx(sum(one.numel() * 4 for encoder in encoders for one in encoder.parameters()),
                                       rel=0.02)  # tied weights are stored once
    assert found.learning > found.network > 0 and found.encode_with_gradient > found.encode > 0 and found.decode > 0
    half = footprint(folders[name], torch.float32, PIXELS // 2)
    assert half.weights == found.weights and half.network < found.network and half.encode < found.encode / 3

    def measured(count: int) -> int:
        text, level = prior.blank_text(prior.transformer, count), torch.rand(count)
        for part in (text.tokens, text.pooled):
            if part is not None:
                part.zero_()
        x = torch.zeros(count, *prior.traits.latent_shape)
        with torch.inference_mode(), Alive() as alive:
            kept = prior.velocity(prior.transformer, x, level, text, 1.0)
        del kept
        return alive.peak

    # Attention on the CPU keeps what a fused kernel does not.
    assert found.network / 1.2 < (measured(6) - measured(2)) / 4 < found.network * 1.6


@pytest.mark.parametrize("name", FAMILIES)
def test_nobody_waits_for_a_gpu(folders: Folders, name: str) -> None:
    """A step of distillation on a make-believe GPU: everything lies where it must, and the host goes on at once."""
    prior = load(folders[name])
    book = PromptBook(prior, PROMPT, "view")
    picture = torch.rand(2, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(1))
    with pretend_gpu() as waits:
        for network in (prior.transformer, prior.parts.vae):
            network.to(GPU)
        prior.device, prior.codec._device = GPU, GPU  # as if it had been loaded there
        prior.noise = FlowSchedule(prior.noise.sigmas.double(), GPU)
        rows = book.embeddings
        book._rows = TextEmbedding(rows.tokens.to(GPU), rows.mask, None if rows.pooled is None else rows.pooled.to(GPU))
        sds = ScoreDistillation(Guidance(prior, book, 7.5, PerpNeg()),
                                DistillationSettings(cheap_encode=True, nonfinite="skip"),
                                torch.Generator().manual_seed(0))
        images = sent(picture, GPU).requires_grad_(True)
        for _ in range(2):  # the first fits the linear stand-in of the encoder
            waits.seen.clear()
            sds(images, ViewCondition.turntable(2)).loss.backward()
        assert waits.places() == {} and images.grad is not None and images.grad.device == GPU
