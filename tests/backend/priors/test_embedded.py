# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded prior's loader and language, on tiny networks of its exact layout."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch

from backend.priors import embedded
from backend.priors.prompts import PromptBook
from backend.priors.sentence_encoder import SENTENCE_SCALE, SentenceEncoder, check_weights
from backend.priors.views import ViewCondition
from protocol.errors import BrokenWeights, PriorNotFound


@pytest.fixture(scope="module")
def pixel(embedded_folders: dict[str, Path], encoder: SentenceEncoder) -> embedded.EmbeddedPrior:
    return embedded.load(embedded_folders["pixel"], encoder=encoder)


@pytest.fixture(scope="module")
def latent(embedded_folders: dict[str, Path], encoder: SentenceEncoder) -> embedded.EmbeddedPrior:
    return embedded.load(embedded_folders["latent"], encoder=encoder)


def test_traits(pixel: embedded.EmbeddedPrior, latent: embedded.EmbeddedPrior) -> None:
    assert pixel.traits.latent_shape == (4, 32, 32) and not pixel.traits.is_latent
    assert latent.traits.latent_shape == (8, 32, 32) and latent.traits.latent_scale == 4
    assert latent.traits.resolution == 128
    for prior in (pixel, latent):
        assert prior.traits.channels == "rgba" and prior.traits.knows_camera and prior.traits.knows_light
        assert prior.num_timesteps == 1000 and prior.noise.prediction_type == "v_prediction"
        assert len(prior.traits.revision) == 12


@pytest.mark.parametrize("name", ["pixel", "latent"])
def test_prediction_is_the_network_called_directly(name: str, request: pytest.FixtureRequest) -> None:
    """eps and x0 from the network's v by the formula, with class labels laid out as the training recipe lays them."""
    prior: embedded.EmbeddedPrior = request.getfixturevalue(name)
    view = ViewCondition.shaded(torch.tensor([0.3, 2.0]), torch.tensor([0.1, 0.5]), torch.tensor([1.0, 0.9]),
                                torch.tensor([[0.0, 0.6, 0.8], [0.0, 0.0, 2.0]]))
    text = prior.embed(["a red mug", ""])
    x = torch.randn(2, *prior.traits.latent_shape, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([120, 900])
    with torch.no_grad():
        v = prior.unet(x, t, encoder_hidden_states=text.tokens, encoder_attention_mask=text.mask,
                       class_labels=torch.cat([view.numbers(), text.pooled], dim=1)).sample[:, :x.shape[1]]
    a = prior.alphas_cumprod[t].view(-1, 1, 1, 1)
    made = prior.predict(x, t, text, view)
    torch.testing.assert_close(made.x0, a.sqrt() * x - (1 - a).sqrt() * v, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made.eps, (1 - a).sqrt() * x + a.sqrt() * v, rtol=1e-4, atol=1e-5)
    assert made.x0.dtype == torch.float32 and not made.x0.is_inference()


def test_branches_in_one_pass_equal_single_passes(pixel: embedded.EmbeddedPrior) -> None:
    view = ViewCondition.turntable(3)
    x = torch.randn(3, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([10, 400, 999])
    with_text, without = pixel.embed(["a blue chair"]), pixel.embed([""])
    both = pixel.predict_branches(x, t, [without, with_text], view)
    for one, text in zip(both, (without, with_text), strict=True):
        torch.testing.assert_close(one.eps, pixel.predict(x, t, text, view).eps, rtol=1e-4, atol=1e-5)
    assert (both[0].eps - both[1].eps).abs().max() > 1e-4  # the text is heard


def test_camera_and_light_are_heard(pixel: embedded.EmbeddedPrior) -> None:
    x, t = torch.zeros(1, 4, 32, 32), torch.tensor([500])
    text = pixel.embed(["a mug"])
    angle = torch.tensor([0.0])
    front = pixel.predict(x, t, text, ViewCondition.albedo(angle, angle)).eps
    side = pixel.predict(x, t, text, ViewCondition.albedo(angle + 1.5, angle)).eps
    lit = pixel.predict(x, t, text, ViewCondition.shaded(angle, angle, None, torch.tensor([[0.0, 0.0, 1.0]]))).eps
    assert (front - side).abs().max() > 1e-4
    assert (front - lit).abs().max() > 1e-4
    with pytest.raises(ValueError, match="views"):
        pixel.predict(x, t, text)


def test_the_empty_text_is_silence(pixel: embedded.EmbeddedPrior) -> None:
    text = pixel.embed(["", "a red mug"])
    assert text.tokens.shape == (2, 24, 384) and text.mask.shape == (2, 24)
    assert text.pooled[0].abs().max() == 0
    assert text.pooled[1].norm() == pytest.approx(SENTENCE_SCALE, rel=1e-4)
    assert text.mask.sum(1).tolist() == [2, 5]  # begin, words, end


def test_no_view_words_where_the_camera_is_known(pixel: embedded.EmbeddedPrior) -> None:
    book = PromptBook(pixel, "a red mug")
    assert len(book.embeddings) == 2
    views = ViewCondition.turntable(4)
    assert torch.equal(book.positive(4, views).tokens[0], book.positive(4, views).tokens[2])


def test_long_prompts_are_cut_not_refused(encoder: SentenceEncoder) -> None:
    assert encoder(["a very " + "big " * 300 + "mug"]).tokens.shape == (1, 24, 384)


@pytest.mark.parametrize("size", [128, 256, 100])
@pytest.mark.parametrize("cheap", [False, True])
def test_encode_carries_gradients(latent: embedded.EmbeddedPrior, size: int, cheap: bool) -> None:
    images = torch.rand(1, 4, size, size, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    x = latent.encode(images, cheap=cheap)
    assert x.shape == (1, 8, 32, 32)
    x.square().sum().backward()
    assert images.grad.isfinite().all() and (images.grad != 0).float().mean() > 0.9


def test_cheap_encoding_changes_gradients_not_values(latent: embedded.EmbeddedPrior) -> None:
    images = torch.rand(1, 4, 128, 128, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(latent.encode(images, cheap=True), latent.encode(images), rtol=1e-5, atol=1e-5)


def test_sampling_is_repeatable_and_in_range(pixel: embedded.EmbeddedPrior) -> None:
    views = ViewCondition.turntable(2)
    first = pixel.sample("a red mug", views, steps=3, seed=5)
    assert first.shape == (2, 4, 32, 32) and first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, pixel.sample("a red mug", views, steps=3, seed=5))
    assert not torch.equal(first, pixel.sample("a red mug", views, steps=3, seed=6))
    assert pixel.sample(["a mug", "a chair"], views, steps=1).shape == (2, 4, 32, 32)


def test_bfloat16_agrees_roughly(embedded_folders: dict[str, Path], encoder: SentenceEncoder,
                                 pixel: embedded.EmbeddedPrior) -> None:
    half = embedded.load(embedded_folders["pixel"], dtype=torch.bfloat16, encoder=encoder)
    view = ViewCondition.turntable(1)
    x, t = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(4)), torch.tensor([300])
    exact = pixel.predict(x, t, pixel.embed(["a mug"]), view).x0
    rough = half.predict(x, t, half.embed(["a mug"]), view).x0
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() < 0.03 * exact.norm()


def test_folder_is_a_genuine_pipeline(pixel: embedded.EmbeddedPrior, encoder: SentenceEncoder) -> None:
    """Diffusers' own class, with our encoder in its place and a tokenizer that cuts where we do."""
    assert type(pixel.parts).__name__ == "IFPipeline"
    assert pixel.parts.text_encoder is encoder.network
    tokens = pixel.parts.tokenizer(["a red mug"], padding="max_length", max_length=24, return_tensors="pt")
    ours = pixel.embed(["a red mug"])
    assert torch.equal(tokens["attention_mask"].float(), ours.mask)


def test_missing_folder_says_what_to_do(tmp_path: Path, encoder: SentenceEncoder) -> None:
    with pytest.raises(PriorNotFound, match="prior"):
        embedded.load(tmp_path / "nothing", encoder=encoder)


def test_truncated_weights_are_named(embedded_folders: dict[str, Path], tmp_path: Path,
                                     encoder: SentenceEncoder) -> None:
    copy = Path(shutil.copytree(embedded_folders["pixel"], tmp_path / "cut"))
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    os.truncate(weights, weights.stat().st_size - 1000)
    with pytest.raises(BrokenWeights, match="diffusion_pytorch_model.safetensors is damaged"):
        embedded.load(copy, encoder=encoder)


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(BrokenWeights, match="has changed"):
        check_weights(tmp_path)


def test_installed_encoder_is_the_one_we_know(encoder: SentenceEncoder, tmp_path: Path) -> None:
    assert check_weights(encoder.folder, tmp_path) == check_weights(encoder.folder, tmp_path)
    assert (tmp_path / "fingerprints.json").is_file()
