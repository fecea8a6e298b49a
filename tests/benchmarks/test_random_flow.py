# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of flow transformers without weights: true sizes on no disk, which the ordinary loader and plans read."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from backend.priors.flows import picture_size
from backend.priors.footprint import weight_bytes
from backend.priors.known_models import find
from backend.priors.loading import safetensors_header
from tests.benchmarks import random_flow

torch.set_num_threads(1)
KNOWN = {"sd35-medium": "stabilityai/stable-diffusion-3.5-medium", "z-image": "Tongyi-MAI/Z-Image",
         "flux2-klein": "black-forest-labs/FLUX.2-klein-base-4B"}


@pytest.mark.parametrize("name", KNOWN)
def test_the_sizes_are_those_that_are_published(name: str, tmp_path: Path) -> None:
    folder = random_flow.write(name, tmp_path / name)
    (weights,) = (folder / "transformer").glob("*.safetensors")
    count = sum(math.prod(entry["shape"]) for entry in safetensors_header(weights).values())
    assert count / 1e9 == pytest.approx(random_flow.MODELS[name].parameters, rel=0.01)
    assert weights.stat().st_blocks * 512 < 4 << 20
    assert (picture_size(folder, "coarse"), picture_size(folder, "fine")) == (512, 1024)
    # What the catalogue says of the download is what such a folder holds.
    held = sum(weight_bytes(part, torch.bfloat16) for part in folder.iterdir() if part.is_dir())
    known = find(KNOWN[name])
    assert known is not None and held / 1e9 == pytest.approx(known.gigabytes, rel=0.03)
