# SPDX-License-Identifier: GPL-3.0-or-later
"""LaMa files of every kind that users own load and fill; what is no such file, or would run something, does not."""

import os
import pickle
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.inpainting import inpainter_of
from backend.inpainting.lama import Fourier, Generator, LamaConfig, Masked
from protocol.errors import BadRequest, BrokenWeights

SMALL = LamaConfig(width=8, downs=2, blocks=2)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    made = Generator(SMALL).eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return made


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    picture = rng.random((30, 37, 3)).astype(np.float32)
    hole = np.zeros((30, 37), bool)
    hole[10:18, 5:20] = True
    return picture, hole


class _Trap:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_big_lama_has_the_published_size_and_the_official_names():
    with torch.device("meta"):
        names = dict(Generator().named_parameters())
    assert sum(one.numel() for one in names.values()) / 1e6 == pytest.approx(51, abs=0.5)
    for name, shape in {
        "model.1.ffc.convl2l.weight": (64, 4, 7, 7), "model.4.ffc.convl2g.weight": (384, 256, 3, 3),
        "model.5.conv1.ffc.convg2g.conv1.0.weight": (192, 384, 1, 1),
        "model.5.conv1.ffc.convg2g.fu.conv_layer.weight": (384, 384, 1, 1),
        "model.22.conv2.bn_g.weight": (384,), "model.24.weight": (512, 256, 3, 3), "model.34.weight": (3, 64, 7, 7),
    }.items():
        assert tuple(names[name].shape) == shape


def test_the_spectrum_keeps_a_channels_real_and_imaginary_parts_beside_each_other():
    unit = Fourier(2).eval()
    with torch.no_grad():  # passes the second channel's parts only
        unit.conv_layer.weight.zero_()
        unit.conv_layer.weight[2, 2] = unit.conv_layer.weight[3, 3] = 1.0
    x = torch.zeros(1, 2, 8, 8)
    x[:, :, 0, 0] = 3.0  # its spectrum is real and positive, so that nothing is rectified away
    out = unit(x)
    assert out[0, 0].abs().max() == 0 and torch.allclose(out[0, 1], x[0, 1], atol=1e-4)


@pytest.mark.parametrize("kind", ["script", "folder", "checkpoint", "safetensors"])
def test_files_of_every_kind_give_what_the_network_gives(network, case, kind, tmp_path):
    picture, hole = case
    state = {f"generator.{name}": value for name, value in network.state_dict().items()}
    path = tmp_path / f"net.{kind}"
    if kind == "script":
        example = torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
        torch.jit.trace(Masked(network), example, check_trace=False).save(str(path))
    elif kind == "folder":
        (path / "models").mkdir(parents=True)
        # As a training framework leaves it: with discriminator, callbacks, and objects of classes that aren't here.
        torch.save({"state_dict": {**state, "discriminator.model.0.weight": torch.zeros(3)}, "epoch": 3,
                    "callbacks": {"trap": _Trap("exit 1")}}, path / "models" / "best.ckpt")
    elif kind == "checkpoint":
        torch.save(dict(network.state_dict()), path)
    else:
        path = path.with_suffix(".safetensors")
        save_file({name: value.contiguous() for name, value in state.items()}, str(path))
    filled = inpainter_of(str(path)).fill(picture, hole)

    image = torch.from_numpy(np.pad(picture, ((0, 2), (0, 3), (0, 0)), mode="symmetric")).permute(2, 0, 1)[None]
    gap = torch.from_numpy(np.pad(hole, ((0, 2), (0, 3)), mode="symmetric").astype(np.float32))[None, None]
    with torch.no_grad():
        truth = network(torch.cat([image * (1 - gap), gap], 1))[0].permute(1, 2, 0).numpy()[:30, :37]
    np.testing.assert_allclose(filled[hole], truth[hole], atol=1e-5)
    assert np.array_equal(filled[~hole], picture[~hole])


def test_a_pickle_runs_nothing(tmp_path):
    ran = tmp_path / "ran"
    torch.save({"state_dict": _Trap(f"{sys.executable} -c \"open(r'{ran}', 'w')\"")}, tmp_path / "bad.ckpt")
    with pytest.raises(BrokenWeights):
        inpainter_of(str(tmp_path / "bad.ckpt"))
    assert not ran.exists()
    torch.load(tmp_path / "bad.ckpt", weights_only=False)  # the trap is a real one
    assert ran.exists()


def test_what_is_no_lama_is_refused(network, tmp_path):
    (tmp_path / "text.pt").write_bytes(pickle.dumps({"a": 1}))
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.ckpt")
    state = dict(network.state_dict())
    del state["model.4.conv1.ffc.convl2l.weight"]
    torch.save(state, tmp_path / "half.ckpt")
    for name in ("text.pt", "other.ckpt", "half.ckpt"):
        with pytest.raises(BrokenWeights):
            inpainter_of(str(tmp_path / name))
    for name in ("", "nothing.pt"):
        with pytest.raises(BadRequest):
            inpainter_of(str(tmp_path / name))
