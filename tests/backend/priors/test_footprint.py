# SPDX-License-Identifier: GPL-3.0-or-later
"""What a prior is said to need, against what loading and running it really takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from backend.priors import catalog
from backend.priors.footprint import Alive, footprint, peak_bytes
from protocol.errors import BrokenWeights

FAMILIES = ("sd1", "sd2", "sdxl", "camera16")


def parameters(network: torch.nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in network.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_those_of_the_loaded_networks(public_folders: dict[str, Path], family: str) -> None:
    prior = catalog.load(str(public_folders[family]), "fine", "cpu", torch.float32)
    found = footprint(public_folders[family], torch.float32)
    assert found.weights == parameters(prior.unet) + parameters(prior.codec.vae)  # type: ignore[attr-defined]
    pipeline = prior.parts  # type: ignore[attr-defined]
    encoders = [getattr(pipeline, name, None) for name in ("text_encoder", "text_encoder_2")]
    assert found.text == pytest.approx(sum(parameters(one) for one in encoders if one is not None), rel=0.01)
    assert footprint(public_folders[family], torch.bfloat16).weights * 2 == found.weights


def test_a_pass_takes_what_it_is_said_to_take(public_folders: dict[str, Path]) -> None:
    prior = catalog.load(str(public_folders["sd1"]), "fine", "cpu", torch.float32)
    said = footprint(public_folders["sd1"], torch.float32)

    def run(count: int):
        text = torch.zeros(count, 77, 16)
        noisy = torch.zeros(count, 4, 8, 8)
        with torch.inference_mode():
            return prior.unet(noisy, torch.zeros(count), encoder_hidden_states=text, return_dict=False)  # type: ignore[attr-defined]

    measured = []
    for count in (8, 16):
        with torch.inference_mode(), Alive() as alive:
            kept = run(count)
        del kept
        measured.append(alive.peak)
    # Attention on the CPU keeps what a fused kernel does not, and a slope over eight images has no rounding.
    assert (measured[1] - measured[0]) / 8 == pytest.approx(said.network, rel=0.25)


def test_what_is_alive_is_counted_and_what_is_gone_is_not() -> None:
    layers = torch.nn.Sequential(*(torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(6)))
    image = torch.zeros(2, 4, 64, 64)

    def plain():
        with torch.no_grad():
            return layers(image)

    with Alive() as alive:
        kept = plain()
    assert alive.bytes == kept.untyped_storage().nbytes()
    del kept
    assert alive.bytes == 0
    one = 2 * 4 * 64 * 64 * 4
    assert alive.peak == 2 * one  # what goes into a layer and what comes out of it

    def learning():
        layers(image).square().sum().backward()

    forward = peak_bytes(plain)
    both = peak_bytes(learning, gradients=True)
    assert both >= forward + 4 * one  # what each layer read is kept for the way back


def test_a_folder_that_is_damaged_is_named(public_folders: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "sd"
    shutil.copytree(public_folders["sd1"], broken)
    config = (broken / "unet" / "config.json").read_text()
    (broken / "unet" / "config.json").write_text("{")
    with pytest.raises(BrokenWeights, match="config.json"):
        footprint(broken, torch.float32)
    (broken / "unet" / "config.json").write_text(config)
    weights = next((broken / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:20])
    with pytest.raises(BrokenWeights, match="safetensors"):
        footprint(broken, torch.float32)
