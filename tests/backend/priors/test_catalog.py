# SPDX-License-Identifier: GPL-3.0-or-later
"""One door for every kind of checkpoint, proved offline on tiny pipelines that diffusers itself saved."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest
import torch

from backend.priors import catalog, hub_models, known_models
from backend.priors.base import Prior, TextEmbedding
from backend.priors.deepfloyd import DeepFloydPrior
from backend.priors.embedded import EmbeddedPrior
from backend.priors.loading import load_pipeline
from backend.priors.multiview import CameraPrior, NovelViewPrior
from backend.priors.prompts import PromptBook
from backend.priors.stable_diffusion import StableDiffusionPrior, StableDiffusionXLPrior
from backend.priors.views import ViewCondition
from protocol.errors import BrokenWeights, PriorNotFound


@pytest.fixture(autouse=True)
def no_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any attempt to reach a network fails the test; the model cache is empty."""
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("tried to open a connection")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def load(folder: Path | str, role: known_models.Role = "coarse") -> Prior:
    return catalog.load(str(folder), role, dtype=torch.float32)


def noisy(prior: Prior, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(count, *prior.traits.latent_shape, generator=torch.Generator().manual_seed(0))
    return x, torch.tensor([100, 800])[:count]


def check_prediction(prior: Prior, output: torch.Tensor, x: torch.Tensor, t: torch.Tensor, text: TextEmbedding,
                     view: ViewCondition | None = None) -> None:
    """The prior's noise equals what the formula makes of the network's raw output."""
    a = prior.alphas_cumprod[t].view(-1, 1, 1, 1)
    wanted = (1 - a).sqrt() * x + a.sqrt() * output if prior.noise.prediction_type == "v_prediction" else output
    torch.testing.assert_close(prior.predict(x, t, text, view).eps, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["sd1", "sd2"])
def test_stable_diffusion(public_folders: dict[str, Path], name: str) -> None:
    prior = load(public_folders[name])
    assert isinstance(prior, StableDiffusionPrior) and prior.traits.name == name
    assert prior.traits.latent_shape == (4, 8, 8) and prior.traits.latent_scale == 8 and prior.traits.resolution == 64
    assert not prior.traits.knows_camera
    pipeline = load_pipeline(public_folders[name], torch.float32)
    tokens = pipeline.encode_prompt(["a red cube", ""], "cpu", 1, False)[0].detach()
    text = prior.embed(["a red cube", ""])
    torch.testing.assert_close(text.tokens, tokens, rtol=1e-4, atol=1e-5)
    x, t = noisy(prior)
    with torch.no_grad():
        output = pipeline.unet(x, t, encoder_hidden_states=tokens).sample
    check_prediction(prior, output, x, t, text)


def test_stable_diffusion_xl(public_folders: dict[str, Path]) -> None:
    prior = load(public_folders["sdxl"], "fine")
    assert isinstance(prior, StableDiffusionXLPrior)
    pipeline = load_pipeline(public_folders["sdxl"], torch.float32)
    with torch.no_grad():
        tokens, _, pooled, _ = pipeline.encode_prompt(["a red cube", "a cube"], do_classifier_free_guidance=False)
    text = prior.embed(["a red cube", "a cube"])
    torch.testing.assert_close(text.pooled, pooled, rtol=1e-4, atol=1e-5)
    x, t = noisy(prior)
    sizes = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]] * 2)
    with torch.no_grad():
        output = pipeline.unet(x, t, encoder_hidden_states=tokens,
                               added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes}).sample
    check_prediction(prior, output, x, t, text)


def test_deepfloyd(public_folders: dict[str, Path]) -> None:
    prior = load(public_folders["if"])
    assert isinstance(prior, DeepFloydPrior)
    assert prior.traits.latent_shape == (3, 64, 64) and not prior.traits.is_latent
    assert not prior.read.is_loaded  # T5 waits for a prompt
    pipeline = load_pipeline(public_folders["if"], torch.float32)
    tokens = pipeline.encode_prompt("A red cube ", do_classifier_free_guidance=False)[0]
    text = prior.embed(["A red cube "])
    torch.testing.assert_close(text.tokens, tokens, rtol=1e-4, atol=1e-5)
    x, t = noisy(prior, 1)
    with torch.no_grad():
        output = pipeline.unet(x, t, encoder_hidden_states=tokens).sample[:, :3]
    check_prediction(prior, output, x, t, text)


@pytest.mark.parametrize("name", ["sd1", "sdxl", "if"])
def test_text_encoders_go_and_come_back(public_folders: dict[str, Path], name: str) -> None:
    prior = load(public_folders[name])
    before = prior.embed(["a red cube"])
    assert prior.read.is_loaded
    prior.release_text()
    assert not prior.read.is_loaded and prior.parts.text_encoder is None
    assert torch.equal(prior.embed(["a red cube"]).tokens, before.tokens)  # remembered
    assert not prior.read.is_loaded
    prior.embed(["a cube"])
    assert prior.read.is_loaded and prior.read.loads == 2


@pytest.mark.parametrize("numbers", [11, 16])
def test_camera_as_class_embedding(public_folders: dict[str, Path], numbers: int) -> None:
    prior = load(public_folders[f"camera{numbers}"])
    assert isinstance(prior, CameraPrior) and prior.traits.knows_camera
    assert prior.traits.knows_light == (numbers == 11)
    view = ViewCondition.turntable(2)
    text = prior.embed(["a red cube", ""])
    x, t = noisy(prior)
    labels = view.numbers() if numbers == 11 else view.camera_matrices()
    with torch.no_grad():
        output = prior.unet(x, t, encoder_hidden_states=text.tokens, class_labels=labels).sample
    check_prediction(prior, output, x, t, text, view)
    assert not PromptBook(prior, "a red cube").uses_view_words


@pytest.mark.parametrize("layout", ["clip_camera_projection", "cc_projection"])
def test_zero123_in_both_layouts(public_folders: dict[str, Path], layout: str) -> None:
    """Against the network called by hand with the pose token and unscaled reference latents."""
    from safetensors.torch import load_file

    prior = load(public_folders[layout])
    assert isinstance(prior, NovelViewPrior) and prior.traits.knows_camera
    with pytest.raises(ValueError, match="look_at"):
        prior.embed([""])
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(3))
    prior.look_at(picture, azimuth=0.5, elevation=0.2)
    text = prior.embed(["this", ""])
    view = ViewCondition.albedo(torch.tensor([0.5 + 1.0, 0.0]), torch.tensor([0.3, 0.2]), torch.tensor([1.25, 1.0]))
    x, t = noisy(prior)

    weights = load_file(public_folders[layout] / layout / "diffusion_pytorch_model.safetensors")
    pose = torch.tensor([[-0.1, torch.tensor(1.0).sin(), torch.tensor(1.0).cos(), 0.25]])
    clip = text.tokens[0]
    name = {"clip_camera_projection": "proj", "cc_projection": "projection"}[layout]
    token = torch.cat([clip, pose], dim=1) @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    with torch.no_grad():
        reference = prior.codec.vae.encode(picture[None] * 2 - 1).latent_dist.mode()
        output = torch.cat([
            prior.unet(torch.cat([x[:1], reference], 1), t[:1], encoder_hidden_states=token[None]).sample,
            prior.unet(torch.cat([x[1:], reference * 0], 1), t[1:], encoder_hidden_states=token[None] * 0).sample])
    check_prediction(prior, output, x, t, text, view)


def test_embedded_folders(embedded_folders: dict[str, Path]) -> None:
    """By folder, and by the folder that holds both parts; the role chooses."""
    assert load(embedded_folders["pixel"]).traits.resolution == 32
    both = embedded_folders["pixel"].parent
    assert isinstance(load(both, "coarse"), EmbeddedPrior) and not load(both, "coarse").traits.is_latent
    assert load(both, "fine").traits.is_latent


def test_two_priors_in_one_setting(public_folders: dict[str, Path], embedded_folders: dict[str, Path]) -> None:
    setting = f"{embedded_folders['pixel']}, {public_folders['sd1']}"
    assert catalog.locate(setting, "coarse") == embedded_folders["pixel"]
    assert catalog.locate(setting, "fine") == public_folders["sd1"]
    assert catalog.for_role("", "fine") == ""
    with pytest.raises(PriorNotFound, match="3 models"):
        catalog.locate("a, b, c")


@pytest.mark.parametrize("name", ["sd1", "sdxl", "if"])
def test_gradients_flow_from_images(public_folders: dict[str, Path], name: str) -> None:
    prior = load(public_folders[name])
    images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    prior.encode(images).square().sum().backward()
    assert images.grad.isfinite().all() and images.grad.abs().max() > 0
    assert prior.decode(prior.encode(images.detach())).shape == (1, 3, prior.traits.resolution, prior.traits.resolution)


def test_views_become_words(public_folders: dict[str, Path]) -> None:
    prior = load(public_folders["sd1"])
    book = PromptBook(prior, "a red cube")
    positive = book.positive(4, ViewCondition.turntable(4))
    said = prior.embed(["a red cube, front view", "a red cube, side view", "a red cube, back view",
                        "a red cube, side view"])
    assert torch.equal(positive.tokens, said.tokens)
    assert prior.sample("a red cube", ViewCondition.turntable(2), steps=2).shape == (2, 3, 64, 64)


def test_half_precision_variant(public_folders: dict[str, Path], tmp_path: Path) -> None:
    """A folder that holds its weights only as *.fp16.safetensors."""
    pipeline = load_pipeline(public_folders["sd1"], torch.float16)
    pipeline.save_pretrained(tmp_path / "half", variant="fp16")
    assert sorted(p.name for p in (tmp_path / "half" / "unet").glob("*.safetensors")) == [
        "diffusion_pytorch_model.fp16.safetensors"]
    x, t = noisy(load(public_folders["sd1"]))
    halves = [load(folder) for folder in (tmp_path / "half", public_folders["sd1"])]
    first, second = (prior.predict(x, t, prior.embed(["a cube"])).eps for prior in halves)
    torch.testing.assert_close(first, second, rtol=0.02, atol=0.02)


# --- what can be wrong --------------------------------------------------------------------------------------------


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(PriorNotFound) as caught:
        load(tmp_path / "nowhere")
    assert "no folder" in caught.value.message
    assert "`prior`" in caught.value.hint and "GB" in caught.value.hint


def test_a_folder_that_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(b"x")
    with pytest.raises(PriorNotFound, match="no model_index.json"):
        load(tmp_path)


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(PriorNotFound, match="is a file"):
        load(tmp_path / "model.safetensors")


def test_another_kind_of_pipeline(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "KandinskyPipeline"}))
    with pytest.raises(PriorNotFound, match="KandinskyPipeline"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"_class_name": 3}'])
def test_a_broken_index(tmp_path: Path, content: str) -> None:
    (tmp_path / "model_index.json").write_text(content)
    with pytest.raises(BrokenWeights, match="model_index.json"):
        load(tmp_path)


def damaged(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.mark.parametrize("component", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("kept", [0, 5, 40, -100])
def test_truncated_weights(public_folders: dict[str, Path], tmp_path: Path, component: str, kept: int) -> None:
    copy = damaged(public_folders["sd1"], tmp_path)
    weights = next((copy / component).glob("*.safetensors"))
    os.truncate(weights, kept if kept >= 0 else weights.stat().st_size + kept)
    with pytest.raises(BrokenWeights) as caught:
        load(copy)
    assert weights.name in caught.value.message and "download it again" in caught.value.hint


def test_missing_weights(public_folders: dict[str, Path], tmp_path: Path) -> None:
    copy = damaged(public_folders["sd1"], tmp_path)
    next((copy / "unet").glob("*.safetensors")).unlink()
    with pytest.raises(BrokenWeights, match="could not be loaded"):
        load(copy)


def test_missing_scheduler(public_folders: dict[str, Path], tmp_path: Path) -> None:
    copy = damaged(public_folders["sd1"], tmp_path)
    shutil.rmtree(copy / "scheduler")
    with pytest.raises(BrokenWeights, match="could not be loaded"):
        load(copy)


def test_a_tensor_is_missing(public_folders: dict[str, Path], tmp_path: Path) -> None:
    """Diffusers would leave it random and only warn."""
    from safetensors.torch import load_file, save_file

    copy = damaged(public_folders["sd1"], tmp_path)
    weights = next((copy / "unet").glob("*.safetensors"))
    tensors = load_file(weights)
    del tensors["conv_in.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(BrokenWeights):
        load(copy)


def test_weights_of_another_size(public_folders: dict[str, Path], tmp_path: Path) -> None:
    copy = damaged(public_folders["sd1"], tmp_path)
    config = copy / "unet" / "config.json"
    config.write_text(config.read_text().replace('"cross_attention_dim": 16', '"cross_attention_dim": 24'))
    with pytest.raises(BrokenWeights):
        load(copy)


@pytest.mark.parametrize("entry", [["diffusers", "AutoencoderKL"], ["their_code", "TheirUNet"],
                                   ["diffusers", "NoSuchClass"], [None, None]])
def test_another_component_in_its_place(public_folders: dict[str, Path], tmp_path: Path, entry: list) -> None:
    copy = damaged(public_folders["sd1"], tmp_path)
    index = json.loads((copy / "model_index.json").read_text())
    index["unet"] = entry
    (copy / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(BrokenWeights):
        load(copy)


def test_a_broken_text_encoder_is_found_at_the_first_prompt(public_folders: dict[str, Path], tmp_path: Path) -> None:
    """T5 is loaded only when it is needed, so its damage shows then, as the same kind of error."""
    copy = damaged(public_folders["if"], tmp_path)
    weights = next((copy / "text_encoder").glob("*.safetensors"))
    os.truncate(weights, weights.stat().st_size - 8)
    prior = load(copy)
    with pytest.raises(BrokenWeights, match="is damaged"):
        prior.embed(["a red cube"])


def test_models_for_other_work_are_refused(public_folders: dict[str, Path]) -> None:
    with pytest.raises(BrokenWeights, match="7 camera numbers"):
        load(public_folders["camera7"])


def test_hub_id_offline_says_what_to_download() -> None:
    with pytest.raises(PriorNotFound) as caught:
        load("stable-diffusion-v1-5/stable-diffusion-v1-5")
    text = str(caught.value)
    assert "2.1 GB" in text and "OpenRAIL" in text and "`prior`" in text and "hf download" in text
    with pytest.raises(PriorNotFound, match="login|log in"):
        load("DeepFloyd/IF-I-XL-v1.0")
    with pytest.raises(PriorNotFound, match="somebody/something is not in the local model cache"):
        load("somebody/something")


@pytest.mark.parametrize("gone", ["stabilityai/stable-diffusion-2-1-base", "StabilityAI/stable-diffusion-2-1",
                                  "runwayml/stable-diffusion-v1-5"])
@pytest.mark.parametrize("online", [False, True])
def test_removed_models_name_their_mirror(gone: str, online: bool) -> None:
    with pytest.raises(PriorNotFound) as caught:
        catalog.load(gone, online=online)
    assert "no longer on the hub" in caught.value.message
    assert known_models.find(gone).moved_to in caught.value.hint


def test_hub_id_in_the_cache_needs_no_network(public_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_models, "_cached", lambda name, revision: public_folders["sd1"])
    prior = load("somebody/sd@main")
    assert prior.traits.name == "somebody/sd@main"


def test_online_failure_gives_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's refusals become one kind of error that says why."""
    import diffusers

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host\nmore")
    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", fail)
    with pytest.raises(PriorNotFound, match="the download failed") as caught:
        catalog.load("somebody/something", online=True)
    assert "no route to host" in caught.value.hint and "more" not in caught.value.hint


def test_known_models_are_consistent() -> None:
    for model in known_models.MODELS:
        assert hub_models.is_hub_id(model.id) and model.gigabytes > 0 and model.roles
        if model.moved_to:
            mirror = known_models.find(model.moved_to)
            assert mirror is None or not mirror.moved_to
    assert known_models.suggestions("coarse") and known_models.suggestions("fine")
