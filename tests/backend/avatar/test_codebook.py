# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies chosen by the change of a picture against the change of a text, with an oracle and with a genuine CLIP."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.avatar.body import ADULT, AXES, body_asset
from backend.avatar.codebook import (
    TARGET,
    ClipEyes,
    best_body,
    best_of,
    choose_body,
    look_at,
    make_codebook,
    picture_of,
    scores,
)
from protocol.errors import BrokenWeights, PriorNotFound


class Oracle:
    """Sees how tall and how wide a silhouette is, and reads the words tall and fat; the rest is a constant that only
    differences cancel."""

    name = "oracle"
    common = torch.tensor([50.0, -30.0])

    def of_texts(self, texts):
        return torch.stack([self.common + torch.tensor([float("tall" in one), float("fat" in one)]) for one in texts])

    def of_pictures(self, pictures):
        dark = pictures[:, 0] < 0.95
        high = dark.any(2).float().sum(1) / dark.shape[1]
        area = dark.float().sum((1, 2)) / high / dark.shape[1] ** 2
        return torch.stack([8 * high, 60 * area], 1) + self.common


@pytest.fixture(scope="module")
def book():
    return make_codebook(48, seed=3)


def test_codebook_is_spread_and_repeats(book):
    assert book.bodies.shape == (len(book), len(AXES)) and len(book) >= 40
    assert (book.bodies >= 0).all() and (book.bodies <= 1).all()
    assert np.ptp(book.bodies[:, list(AXES).index("weight")]) > 0.5
    assert (make_codebook(48, seed=3).bodies == book.bodies).all()


def test_picture_shows_the_size(book):
    small, large = (picture_of(body_asset().evaluate({"height": value}), 96) for value in (0.2, 0.8))
    assert small.shape == (3, 96, 96) and small.min() >= 0 and small.max() <= 1
    assert (large < 0.95).sum() > 1.1 * (small < 0.95).sum()


def test_the_change_finds_what_is_said(book):
    eyes = Oracle()
    seen = look_at(book, eyes)
    tall, fat = (choose_body(word, (), eyes, book, seen) for word in ("tall", "fat"))
    asset = body_asset()
    neutral = asset.evaluate(ADULT)
    assert asset.evaluate(tall).height > neutral.height + 0.05
    assert fat["weight"] > 0.6 and fat["weight"] > tall["weight"]
    # Without the differences the constant would drown everything.
    plain = torch.nn.functional.cosine_similarity(seen[0], eyes.of_texts([TARGET.format("fat")]), dim=-1)
    assert float(plain.max() - plain.min()) < 0.05 < float(np.ptp(scores(*seen, eyes, "fat").numpy()))


def test_words_win_over_what_is_seen(book):
    eyes = Oracle()
    found = choose_body("fat", ("weight", "gender"), eyes, book, look_at(book, eyes))
    assert "weight" not in found and "gender" not in found and "height" in found


def test_best_body_is_of_one_sex(book):
    values = torch.linspace(0, 1, len(book))
    assert best_body(book, values)["gender"] in (0.0, 1.0)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    from tests.backend.priors.conftest import clip_tokenizer

    folder = tmp_path_factory.mktemp("clip")
    tokenizer = clip_tokenizer(["a", "fat", "tall", "person"])
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id,
              "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = CLIPConfig(text_config={**small, **tokens}, projection_dim=16,
                        vision_config={**small, "image_size": 32, "patch_size": 8})
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_genuine_clip_folder(clip_folder):
    from transformers import AutoTokenizer, CLIPModel

    eyes = ClipEyes(clip_folder)
    texts = eyes.of_texts(["a fat person", "a tall person"])
    model = CLIPModel.from_pretrained(clip_folder).eval()
    tokens = AutoTokenizer.from_pretrained(clip_folder)(["a fat person", "a tall person"], padding=True,
                                                        return_tensors="pt")
    with torch.no_grad():
        whole = model(**tokens, pixel_values=torch.zeros(1, 3, 32, 32))
    assert torch.allclose(texts, whole.text_embeds, atol=1e-5)
    picture = eyes.of_pictures(torch.rand(2, 3, 64, 64))
    assert picture.shape == (2, 16) and torch.allclose(picture.norm(dim=1), torch.ones(2), atol=1e-5)
    kept = {}
    one = best_of("a fat person", ("age",), clip_folder, kept, "cpu", lambda share: None, entries=6)
    assert len(kept) == 1 and set(one) == set(AXES) - {"age"}
    assert best_of("a fat person", ("age",), clip_folder, kept, "cpu", lambda share: None, entries=6) == one


def test_wrong_folders_are_named(tmp_path):
    with pytest.raises(PriorNotFound):
        ClipEyes(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BrokenWeights):
        ClipEyes(tmp_path)
