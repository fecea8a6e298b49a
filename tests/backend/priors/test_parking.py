# SPDX-License-Identifier: GPL-3.0-or-later
"""Priors that take turns on a device: one at a time, and the same answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.priors import catalog
from backend.priors.base import Prior
from backend.priors.parking import Garage
from tests.backend.pretend import GPU, Far, pretend_gpu
from tests.benchmarks.random_prior import networks_of, write


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("parking")
    return [write(name, root / name, torch.float32, tiny=True, filled=True) for name in ("sd15", "sd21")]


def far(prior: Prior) -> bool:
    weights = [one for network in networks_of(prior) for one in network.parameters()]
    kinds = {isinstance(one, Far) for one in weights}
    assert len(kinds) == 1, "half of a prior is on the device"
    return kinds.pop()


def said(prior: Prior) -> list[torch.Tensor]:
    text = prior.embed(["a red cube"]).to(prior.device)
    chance = torch.Generator().manual_seed(1)
    noisy = torch.randn(1, *prior.traits.latent_shape, generator=chance).to(prior.device)
    images = torch.rand(3, 3, 64, 64, generator=chance).to(prior.device)
    return [prior.predict(noisy, torch.tensor([300], device=prior.device), text).eps.cpu(),
            prior.encode(images, cheap=True).cpu(), prior.decode(noisy).cpu()]


def test_one_at_a_time_is_there_and_answers_as_it_always_did(folders) -> None:
    wanted = [said(catalog.load(str(folder), "fine", "cpu", torch.float32)) for folder in folders]
    with pretend_gpu() as waits:
        priors = [catalog.load(str(folder), "fine", GPU, torch.float32) for folder in folders]
        assert all(far(prior) for prior in priors)
        garage = Garage(GPU)
        for prior in (*priors, priors[0]):
            garage.add(prior)
        assert len(garage) == 2 and not any(far(prior) for prior in priors)
        for prior, other, answers in zip(priors, priors[::-1], wanted, strict=True):
            for found, want in zip(said(prior), answers, strict=True):
                torch.testing.assert_close(found, want)
            assert far(prior) and not far(other)
        assert garage.moves == 2
        waits.seen.clear()
        text = priors[0].embed(["a red cube"])
        waits.seen.clear()
        priors[0].predict(torch.zeros(1, *priors[0].traits.latent_shape, device=GPU),
                          torch.zeros(1, dtype=torch.long, device=GPU), text)
        assert waits.places() == {} and garage.moves == 3
        assert priors[1] in garage and catalog.load(str(folders[1]), "fine", GPU, torch.float32) not in garage


def test_pictures_in_portions_are_the_same_pictures(folders) -> None:
    prior = catalog.load(str(folders[0]), "fine", "cpu", torch.float32)
    images = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    whole = prior.encode(images, cheap=True), prior.decode(prior.encode(images, cheap=True))
    prior.codec.at_once = 2  # type: ignore[attr-defined]
    parts = prior.encode(images, cheap=True), prior.decode(prior.encode(images, cheap=True))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
