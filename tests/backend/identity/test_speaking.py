# SPDX-License-Identifier: GPL-3.0-or-later
"""Priors speak learned words and are themselves again afterwards; diffusers reads the same files and agrees."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.identity.changes import Changes
from backend.identity.learned import INVERSION, LORA, Learned, Lesson, read_learned
from backend.identity.speaking import learned_words, silent, speaking
from backend.identity.words import Teacher, first_vectors, is_ordinary, says
from backend.priors import embedded, stable_diffusion
from backend.priors.views import ViewCondition
from protocol.errors import BadRequest

PROMPT = "a zorblu cube"


def changed(prior, seed: int = 5) -> Learned:
    """A word with changes that are anything but silent."""
    generator = torch.Generator().manual_seed(seed)
    changes = Changes(prior.unet, 3, generator)
    with torch.no_grad():
        for one in changes.changes:
            one.up.normal_(generator=generator)
    return Learned("zorblu", "cube", "object", LORA,
                   (Lesson(prior.traits.name, prior.traits.revision, changes.tensors()),))


def inverted(prior) -> Learned:
    network = prior.read.network()
    vectors = first_vectors(network, "cube", 2, torch.Generator().manual_seed(1))
    return Learned("zorblu", "cube", "object", INVERSION,
                   (Lesson(prior.traits.name, prior.traits.revision, {"zorblu": vectors}),))


@pytest.fixture(params=["pixel", "latent", "sd1", "sd2", "sdxl"], scope="module")
def prior(request, embedded_folders: dict[str, Path], public_folders: dict[str, Path], encoder):
    if request.param in embedded_folders:
        return embedded.load(embedded_folders[request.param], encoder=encoder)
    return stable_diffusion.load(public_folders[request.param])


def answer(prior, prompt: str) -> torch.Tensor:
    x = torch.randn(2, *prior.traits.latent_shape, generator=torch.Generator().manual_seed(2))
    view = ViewCondition.turntable(2) if prior.traits.knows_camera else None
    return prior.predict(x, torch.tensor([300, 700]), prior.embed([prompt]), view).eps


def test_changes_speak_with_the_word_only_and_scale_0_is_the_prior_itself(prior):
    words = {"identity_0": read_learned(changed(prior).to_bytes())}
    before = answer(prior, PROMPT)
    taught = speaking(prior, words, PROMPT)
    assert not torch.allclose(answer(taught, PROMPT), before, atol=1e-3)
    assert torch.equal(answer(prior, PROMPT), before)
    assert torch.equal(answer(speaking(prior, words, PROMPT, 0.0), PROMPT), before)
    assert torch.equal(answer(speaking(prior, words, "a cube"), PROMPT), before)
    half = answer(speaking(prior, words, PROMPT, 0.5), PROMPT)
    assert not torch.allclose(half, answer(taught, PROMPT), atol=1e-3) and not torch.allclose(half, before, atol=1e-3)


def test_a_student_of_a_taught_prior_finds_its_layers(prior):
    taught = speaking(prior, {"identity_0": changed(prior)}, PROMPT)
    assert [*Changes(taught.unet, 2, torch.Generator()).tensors()] == [*changed(prior).lessons[0].tensors]


def test_a_word_of_another_prior_is_refused(prior):
    other = changed(prior)
    foreign = Learned("zorblu", "cube", "object", LORA, (Lesson("elsewhere", "0123", other.lessons[0].tensors),))
    with pytest.raises(BadRequest, match=f"elsewhere, and this job uses {prior.traits.name}") as caught:
        speaking(prior, {"identity_1": foreign}, PROMPT)
    assert caught.value.path == "inputs.identity_1" and "prior" in caught.value.hint
    torn = dict(other.lessons[0].tensors)
    torn.popitem()
    broken = Learned("zorblu", "cube", "object", LORA, (Lesson("p", prior.traits.revision, torn),))
    with pytest.raises(BadRequest, match="does not fit"):
        speaking(prior, {"identity_1": broken}, PROMPT)


def test_word_vectors_change_what_is_read_where_the_word_is_said(prior):
    if prior.parts is not None and hasattr(prior.parts, "text_encoder_2"):
        return  # two text encoders; a learn job refuses them for this method, see the tests of the recipe
    words = {"identity_0": read_learned(inverted(prior).to_bytes())}
    before = prior.embed([PROMPT, "a cube"])
    taught = speaking(prior, words, PROMPT)
    rows = taught.embed([PROMPT, "a cube", "", "A ZORBLU cube"])
    assert torch.equal(rows.tokens[1], before.tokens[1]) and not torch.allclose(rows.tokens[0], before.tokens[0])
    assert torch.equal(rows.tokens[0], rows.tokens[3])
    after = prior.embed([PROMPT + " "])  # not the remembered row: read again, by the encoder as it was
    assert torch.allclose(after.tokens, before.tokens[:1], atol=1e-6)
    assert len(rows.tokens[0]) == len(before.tokens[0])


def test_gradients_reach_word_vectors(prior):
    network = prior.read.network()
    vectors = first_vectors(network, "cube", 2, torch.Generator().manual_seed(1)).requires_grad_()
    Teacher(network, {"zorblu": vectors})([PROMPT]).tokens.square().sum().backward()
    assert vectors.grad is not None and bool((vectors.grad.abs().sum(1) > 0).all())


def test_diffusers_reads_changes_and_agrees(public_folders, tmp_path):
    from diffusers import StableDiffusionPipeline

    prior = stable_diffusion.load(public_folders["sd1"])
    word = changed(prior)
    (tmp_path / "zorblu.safetensors").write_bytes(word.to_bytes().tobytes())
    ours = answer(speaking(prior, {"identity_0": word}, PROMPT), PROMPT)
    pipeline = StableDiffusionPipeline.from_pretrained(public_folders["sd1"], local_files_only=True,
                                                       safety_checker=None, requires_safety_checker=False)
    pipeline.load_lora_weights(tmp_path, weight_name="zorblu.safetensors")
    x = torch.randn(2, *prior.traits.latent_shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        theirs = pipeline.unet(x, torch.tensor([300, 700]), prior.embed([PROMPT]).tokens.expand(2, -1, -1)).sample
    assert torch.allclose(ours, theirs, atol=1e-5) and not torch.allclose(ours, answer(prior, PROMPT), atol=1e-3)


def test_diffusers_reads_word_vectors_and_agrees(public_folders, tmp_path):
    from diffusers import StableDiffusionPipeline

    prior = stable_diffusion.load(public_folders["sd1"])
    word = inverted(prior)
    (tmp_path / "zorblu.safetensors").write_bytes(word.to_bytes().tobytes())
    ours = speaking(prior, {"identity_0": word}, PROMPT).embed([PROMPT]).tokens
    pipeline = StableDiffusionPipeline.from_pretrained(public_folders["sd1"], local_files_only=True,
                                                       safety_checker=None, requires_safety_checker=False)
    pipeline.load_textual_inversion(tmp_path / "zorblu.safetensors")
    theirs, _ = pipeline.encode_prompt(PROMPT, "cpu", 1, False)
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_files_among_inputs(public_folders):
    prior = stable_diffusion.load(public_folders["sd1"])
    content = changed(prior).to_bytes()
    found = learned_words({"identity_1": content, "vertices": content})
    assert [*found] == ["identity_1"] and silent(found, "a cube") == ["zorblu"] and not silent(found, PROMPT)
    with pytest.raises(BadRequest, match="Two of the learned words") as caught:
        learned_words({"identity_0": content, "identity_3": content})
    assert caught.value.path == "inputs.identity_3"


def test_whole_words_and_ordinary_ones(encoder):
    assert says("zorblu", "A Zorblu, red") and not says("zorblu", "zorblus") and not says("zorblu", "a zorblu-ish mug")
    assert is_ordinary(encoder, "mug") and not is_ordinary(encoder, "zorblu")
