# SPDX-License-Identifier: GPL-3.0-or-later
"""A learned word survives as a file, and whatever else is put in its place is refused in plain words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from backend.identity.learned import INVERSION, LORA, Learned, Lesson, read_learned
from protocol.errors import BadRequest


def learned(*revisions: str) -> Learned:
    lessons = tuple(Lesson(f"prior {name}", name, {"unet.a.lora_A.weight": torch.full((2, 3), float(number)),
                                                   "unet.a.lora_B.weight": torch.rand(3, 2)})
                    for number, name in enumerate(revisions))
    return Learned("zorblu", "mug", "object", LORA, lessons, {"seed": 3})


@pytest.mark.parametrize("revisions", [("abc",), ("abc", "def")])
def test_a_word_comes_back_as_it_was(revisions, tmp_path):
    word = learned(*revisions)
    back = read_learned(word.to_bytes())
    assert (back.word, back.noun, back.subject, back.method, back.settings) == ("zorblu", "mug", "object", LORA,
                                                                              {"seed": 3})
    assert [one.revision for one in back.lessons] == list(revisions)
    for old, new in zip(word.lessons, back.lessons, strict=True):
        assert old.tensors.keys() == new.tensors.keys()
        assert all(torch.equal(old.tensors[name], new.tensors[name]) for name in old.tensors)
    assert back.lesson_for("abc") is back.lessons[0] and back.lesson_for("xyz") is None
    path = tmp_path / "zorblu.safetensors"
    path.write_bytes(word.to_bytes().tobytes())
    with safe_open(path, "pt") as file:  # other programs see what it is for
        assert file.metadata()["word"] == "zorblu" and file.metadata()["method"] == LORA
        assert ("unet.a.lora_A.weight" in file.keys()) is (len(revisions) == 1)  # noqa: SIM118


def test_same_word_same_bytes():
    one, two = (Learned("w1", "", "style", INVERSION, (Lesson("p", "r", {"w1": torch.ones(1, 4)}),)) for _ in range(2))
    assert np.array_equal(one.to_bytes(), two.to_bytes())


def _broken() -> dict[str, bytes]:
    good = learned("abc").to_bytes().tobytes()
    changed = bytearray(good)
    changed[-1] ^= 1
    unfinished = Learned("w1", "", "style", INVERSION, (Lesson("p", "r", {"w1": torch.full((1, 4), torch.nan)}),))
    return {
        "nothing": b"", "text": b"hello, this is not a file of weights", "cut short": good[:-10],
        "changed": bytes(changed), "of another program": save({"a": torch.ones(2)}),
        "without its metadata": save({"a": torch.ones(2)}, {"format": "maquette-word-1"}),
        "not finite": unfinished.to_bytes().tobytes(),
    }


@pytest.mark.parametrize("kind", list(_broken()))
def test_anything_else_is_refused(kind):
    with pytest.raises(BadRequest) as caught:
        read_learned(np.frombuffer(_broken()[kind], np.uint8), "inputs.identity_2")
    assert caught.value.path == "inputs.identity_2" and caught.value.hint
