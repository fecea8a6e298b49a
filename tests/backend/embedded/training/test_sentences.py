# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentence encoder: shapes, masks, likeness of meanings, and the refusal of other weights."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from backend.embedded.training import sentences
from backend.embedded.training.sentences import SentenceEncoder
from protocol.errors import PriorNotFound


def test_captions_become_states_masks_and_vectors() -> None:
    encode = SentenceEncoder()
    captions = ["a red mug", "", "a crimson cup", "a green pine tree " + "and another one " * 20]
    states = encode(captions, batch=2)
    assert states.mask.sum(1).tolist()[:3] == [5, 2, 5] and int(states.mask[3].sum()) == 24
    assert states.tokens[~states.mask].abs().sum() == 0
    assert torch.allclose(states.vector.norm(dim=-1), torch.full((4,), math.sqrt(384) / 4), atol=1e-4)
    alone = encode(captions[:1])
    assert torch.allclose(alone.tokens[0], states.tokens[0], atol=1e-4)
    unit = torch.nn.functional.normalize(states.vector, dim=-1)
    assert float(unit[0] @ unit[2]) > float(unit[0] @ unit[3]) + 0.1


def test_other_weights_are_refused_with_advice(tmp_path, monkeypatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"something else")
    origin = str(tmp_path / "__init__.py")
    monkeypatch.setattr(sentences.importlib.util, "find_spec", lambda name: SimpleNamespace(origin=origin))
    with pytest.raises(PriorNotFound, match="hash"):
        sentences.encoder_folder()
    monkeypatch.setattr(sentences.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PriorNotFound, match="not installed"):
        sentences.encoder_folder()
