# SPDX-License-Identifier: GPL-3.0-or-later
"""Control networks before priors: genuine ControlNetModel folders of both families, and what they are shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from backend.embedded.geometry import CHANNELS
from backend.priors import catalog
from backend.priors.control import controlled
from backend.priors.geometry import FARTHEST, NEAREST, Geometry
from backend.priors.loading import quiet
from backend.priors.views import ViewCondition
from protocol.errors import BrokenWeights, PriorNotFound


def said_something(network):
    """Output layers of a fresh ControlNet are zero; give them values, so that it has a say."""
    for name, value in network.named_parameters():
        if name.startswith(("controlnet_down_blocks", "controlnet_mid_block", "controlnet_cond_embedding.conv_out")):
            torch.nn.init.normal_(value, std=0.1)
    return network


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, public_folders: dict[str, Path],
            embedded_folders: dict[str, Path]) -> dict[str, Path]:
    """Depth, normal and unnamed ControlNets of the tiny Stable Diffusion, and an embedded latent prior with its own."""
    root = tmp_path_factory.mktemp("control")
    torch.manual_seed(3)
    with quiet():
        from diffusers import ControlNetModel, UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained(public_folders["sd1"], subfolder="unet")
        for name in ("sd15-depth", "sd15-normalbae", "sd15-scribble"):
            said_something(ControlNetModel.from_unet(
                unet, conditioning_embedding_out_channels=(8,) * 4)).save_pretrained(root / name)
        ours = UNet2DConditionModel.from_pretrained(embedded_folders["latent"], subfolder="unet")
        shutil.copytree(embedded_folders["latent"], root / "latent")
        said_something(ControlNetModel.from_unet(
            ours, conditioning_embedding_out_channels=(8,), conditioning_channels=CHANNELS)).save_pretrained(
            root / "latent" / "controlnet")
    return {path.name: path for path in root.iterdir()}


def geometry(count: int, size: int, seed: int = 0) -> Geometry:
    """A tilted square in the middle of each picture, each at another slope."""
    generator = torch.Generator().manual_seed(seed)
    inside = torch.zeros(count, 1, size, size)
    inside[..., size // 4 : -size // 4, size // 4 : -size // 4] = 1
    normals = torch.nn.functional.normalize(torch.rand(count, 3, 1, 1, generator=generator) + 0.2, dim=1)
    across = torch.linspace(-0.9, 0.9, size).expand(count, 1, size, size)
    positions = torch.cat([across, across.transpose(2, 3), 0.3 * across], 1)
    return Geometry(normals * inside, inside, positions * inside, (3.0 - across) * inside)


def asked(prior, count: int = 2):
    x = torch.randn(count, *prior.traits.latent_shape, generator=torch.Generator().manual_seed(1))
    view = ViewCondition.turntable(count)
    return x, torch.full((count,), 600), view


def test_stable_diffusion_hears_depth_as_diffusers_would(folders: dict[str, Path],
                                                         public_folders: dict[str, Path]) -> None:
    prior = catalog.load(f"{public_folders['sd1']} + {folders['sd15-depth']}", dtype=torch.float32)
    plain = catalog.load(str(public_folders["sd1"]), dtype=torch.float32)
    assert prior.control.shows == "depth" and plain.control is None
    scene = geometry(2, prior.traits.resolution)
    x, t, _ = asked(prior)
    text = prior.embed(["a red cube"])
    with torch.no_grad():
        down, middle = prior.control.network(x, t, text.expand(2).tokens, scene.picture("depth"), return_dict=False)
        right = prior.unet(x, t, text.expand(2).tokens, down_block_additional_residuals=down,
                           mid_block_additional_residual=middle).sample
    told = controlled(prior, scene)
    torch.testing.assert_close(told.predict(x, t, text).eps, right, rtol=1e-4, atol=1e-5)
    unheard = plain.predict(x, t, text).eps
    assert (right - unheard).abs().max() > 1e-3
    torch.testing.assert_close(controlled(prior, scene, scale=0.0).predict(x, t, text).eps, unheard)
    torch.testing.assert_close(prior.predict(x, t, text).eps, unheard)  # binding leaves the prior itself alone
    assert controlled(plain, scene) is plain


def test_the_embedded_prior_brings_its_own(folders: dict[str, Path], encoder) -> None:
    from backend.priors import embedded

    prior = embedded.load(folders["latent"], encoder=encoder)
    assert prior.control.shows == "geometry"
    scene = geometry(2, 128)
    x, t, view = asked(prior)
    told, text = controlled(prior, scene), prior.embed(["a red mug"])
    both = told.predict_branches(x, t, [text, prior.embed([""])], view)  # the views twice in one batch
    torch.testing.assert_close(both[0].eps, told.predict(x, t, text, view).eps, rtol=1e-4, atol=1e-5)
    assert (both[0].eps - prior.predict(x, t, text, view).eps).abs().max() > 1e-4
    other = controlled(prior, geometry(2, 128, seed=5)).predict(x, t, text, view).eps
    assert (other - both[0].eps).abs().max() > 1e-5
    with pytest.raises(ValueError, match="views"):
        told.predict(*(part[:1].repeat(3, *[1] * (part.ndim - 1)) for part in (x, t)), text, ViewCondition.turntable(3))
    with pytest.raises(ValueError, match="128 px"):
        controlled(prior, geometry(2, 64))


def test_pictures_are_in_the_manner_of_their_training() -> None:
    scene = geometry(3, 16)
    depth = scene.picture("depth")
    assert depth.shape == (3, 3, 16, 16) and float(depth[:, :, 0].abs().max()) == 0
    row = depth[0, 0, 8, 4:12]
    assert float(row[-1]) == pytest.approx(NEAREST) and float(row[0]) == pytest.approx(FARTHEST)
    assert (row.diff() > 0).all()  # the right side is nearer
    normal = scene.picture("normal")[0, :, 8, 8]
    torch.testing.assert_close(normal, scene.normals[0, :, 8, 8] * torch.tensor([-0.5, 0.5, 0.5]) + 0.5)
    assert scene.picture("geometry").shape == (3, CHANNELS, 16, 16)
    assert len(scene[:2]) == 2
    half = scene.smaller(2)
    torch.testing.assert_close(half.coverage, torch.nn.functional.avg_pool2d(scene.coverage, 2))
    inside = half.coverage[0, 0] == 1
    place = torch.nn.functional.avg_pool2d(scene.positions, 2)[0][:, inside]
    torch.testing.assert_close(half.positions[0][:, inside], place)
    torch.testing.assert_close(half.normals[0][:, inside], scene.normals[0, :, 8, 8, None].expand(3, int(inside.sum())))
    with pytest.raises(ValueError, match="depth"):
        Geometry(scene.normals, scene.coverage, scene.positions, scene.depth[:1])


def test_what_does_not_fit_is_told(folders: dict[str, Path], public_folders: dict[str, Path],
                                   tmp_path: Path) -> None:
    sd1 = public_folders["sd1"]
    assert catalog.load(f"{sd1} + {folders['sd15-normalbae']}", dtype=torch.float32).control.shows == "normal"
    with pytest.raises(BrokenWeights, match="neither `depth` nor `normal`"):
        catalog.load(f"{sd1} + {folders['sd15-scribble']}")
    with pytest.raises(BrokenWeights, match="another model"):
        catalog.load(f"{public_folders['sdxl']} + {folders['sd15-depth']}")
    with pytest.raises(PriorNotFound, match="no config.json"):
        catalog.load(f"{sd1} + {tmp_path}")
    with pytest.raises(PriorNotFound, match="plus sign"):
        catalog.load(f"{public_folders['if']} + {folders['sd15-depth']}")
    damaged = tmp_path / "broken-depth"
    shutil.copytree(folders["sd15-depth"], damaged)
    weights = next(damaged.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BrokenWeights, match="damaged"):
        catalog.load(f"{sd1} + {damaged}")
    inside = tmp_path / "model-with-depth"
    shutil.copytree(sd1, inside)
    shutil.copytree(folders["sd15-depth"], inside / "controlnet")
    assert catalog.load(str(inside), dtype=torch.float32).control.shows == "depth"
