# SPDX-License-Identifier: GPL-3.0-or-later
"""What every prior does alike: packing renders, resizing, one forward pass for all branches, sampling."""

from __future__ import annotations

import pytest
import torch

from backend.priors.base import resize
from backend.priors.closed_form import ClosedFormPrior, Gaussians
from backend.priors.codecs import LatentCodec, PixelCodec
from backend.priors.views import ViewCondition


def prior(channels: int = 3, deviation: float = 0.2, mean: float = 0.0, **more: object) -> ClosedFormPrior:
    shape = (channels, 4, 4)
    gaussian = Gaussians.single(torch.full(shape, mean), deviation)
    return ClosedFormPrior({"": Gaussians.single(torch.zeros(shape), deviation), "cube": gaussian}, **more)


def test_pack_composites_over_grey() -> None:
    colour = torch.tensor([1.0, 0.0, 0.2]).expand(2, 5, 6, 3)
    alpha = torch.full((2, 5, 6, 1), 0.25)
    packed = prior(4).pack(colour, alpha)
    assert packed.shape == (2, 4, 5, 6)
    torch.testing.assert_close(packed[0, :, 0, 0], torch.tensor([0.625, 0.375, 0.425, 0.25]))
    assert prior(3).pack(colour, alpha).shape == (2, 3, 5, 6)


def test_pack_carries_gradients_to_colour_and_coverage() -> None:
    colour, alpha = torch.rand(1, 4, 4, 3, requires_grad=True), torch.rand(1, 4, 4, 1, requires_grad=True)
    prior(4).pack(colour, alpha).square().sum().backward()
    assert colour.grad.abs().min() > 0 and alpha.grad.abs().min() > 0


@pytest.mark.parametrize(("size", "target"), [(8, 4), (12, 4), (4, 4), (10, 4), (4, 8)])
def test_resize_keeps_flat_images_and_means(size: int, target: int) -> None:
    flat = torch.full((1, 3, size, size), 0.3)
    torch.testing.assert_close(resize(flat, target), torch.full((1, 3, target, target), 0.3))
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    assert resize(image, target).shape == (1, 3, target, target)
    if size % target == 0:
        torch.testing.assert_close(resize(image, target).mean((2, 3)), image.mean((2, 3)))


def test_wrong_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="B, 4, H, W"):
        PixelCodec(8, 4).encode(torch.rand(1, 3, 8, 8))


def test_branches_share_one_forward_pass() -> None:
    class Counting(ClosedFormPrior):
        sizes: list[int] = []

        def network(self, x_t, t, text, view):
            self.sizes.append(len(x_t))
            return super().network(x_t, t, text, view)

    shape = (3, 4, 4)
    one = Counting({"": Gaussians.single(torch.zeros(shape), 0.2), "cube": Gaussians.single(torch.ones(shape), 0.2)})
    x, t = torch.zeros(5, *shape), torch.full((5,), 300)
    parts = one.predict_branches(x, t, [one.embed([""]), one.embed(["cube"]), one.embed([""])])
    assert one.sizes == [15] and len(parts) == 3
    assert torch.equal(parts[0].eps, parts[2].eps) and not torch.equal(parts[0].eps, parts[1].eps)


def test_samples_follow_the_distribution() -> None:
    """Deterministic DDIM carries unit noise to the data's mean and deviation."""
    made = prior(3, deviation=0.25, mean=0.2).sample(["cube"] * 200, steps=250, guidance=1.0, seed=3) * 2 - 1
    assert made.mean() == pytest.approx(0.2, abs=0.02)
    assert made.std() == pytest.approx(0.25, rel=0.05)


def test_sample_asks_for_sensible_numbers() -> None:
    with pytest.raises(ValueError, match="2 prompts"):
        prior().sample(["cube", ""], ViewCondition.turntable(3))
    with pytest.raises(ValueError, match="steps"):
        prior().sample("cube", steps=0)


def test_a_prior_that_knows_the_camera_wants_it() -> None:
    one = prior(knows_camera=True)
    with pytest.raises(ValueError, match="views"):
        one.predict(torch.zeros(1, 3, 4, 4), torch.tensor([10]), one.embed(["cube"]))


def test_linear_stand_in_is_exact_for_a_linear_encoder() -> None:
    """Where the encoder is linear, the fitted slope is the encoder."""
    class Posterior:
        def __init__(self, latents: torch.Tensor) -> None:
            self.latents = latents

        def mode(self) -> torch.Tensor:
            return self.latents

    class LinearVae(torch.nn.Module):
        dtype, device = torch.float32, torch.device("cpu")
        config = type("Config", (), {"in_channels": 3, "latent_channels": 2, "block_out_channels": (1, 1, 1),
                                     "scaling_factor": 0.5, "shift_factor": None})()
        matrix = torch.tensor([[0.3, -0.2, 0.9], [0.1, 0.7, 0.4]])

        def encode(self, pixels: torch.Tensor):
            cells = torch.nn.functional.avg_pool2d(pixels, 4)
            latents = torch.einsum("lc,bchw->blhw", self.matrix, cells) + 0.25
            return type("Output", (), {"latent_dist": Posterior(latents)})()

    codec = LatentCodec(LinearVae(), 32)
    torch.testing.assert_close(codec.linear_map()[..., 0, 0], LinearVae.matrix * 0.5, rtol=1e-4, atol=1e-5)
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    gradients = []
    for cheap in (True, False):
        batch = images.clone().requires_grad_(True)
        codec.encode(batch, cheap).pow(3).sum().backward()
        gradients.append(batch.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


def test_branches_asked_one_after_another_answer_the_same(public_folders) -> None:
    from backend.priors import catalog

    prior = catalog.load(str(public_folders["sd1"]), "fine", "cpu", torch.float32)
    x_t, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([100, 700])
    texts = [prior.embed([""]), prior.embed(["a red cube"])]
    seen: list[int] = []
    inside = prior.network
    prior.network = lambda x, *rest: seen.append(len(x)) or inside(x, *rest)  # type: ignore[method-assign]
    together = prior.predict_branches(x_t, t, texts)
    prior.texts_apart = True
    apart = prior.predict_branches(x_t, t, texts)
    assert seen == [4, 2, 2]
    for one, other in zip(together, apart, strict=True):
        assert torch.allclose(one.eps, other.eps, atol=1e-5) and torch.allclose(one.x0, other.x0, atol=1e-4)


def test_a_text_encoder_moves_and_reads_the_same_words(public_folders) -> None:
    from backend.priors import catalog

    for family in ("sd1", "if"):
        if family not in public_folders:
            continue
        prior = catalog.load(str(public_folders[family]), "coarse", "cpu", torch.float32)
        before = prior.embed(["a red cube"]).tokens
        reader = prior.read  # type: ignore[attr-defined]
        assert reader.is_loaded
        prior.release_text()
        assert not reader.is_loaded
        assert torch.equal(prior.embed(["a red cube"]).tokens, before) and not reader.is_loaded
        prior.embed(["a side view"])
        assert reader.is_loaded and reader.loads == 2
        prior.read_text_on(torch.device("meta"))  # any other device: what is loaded goes
        assert not reader.is_loaded and reader.reads_on == torch.device("meta")
