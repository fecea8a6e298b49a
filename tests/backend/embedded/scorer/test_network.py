# SPDX-License-Identifier: GPL-3.0-or-later
"""The towers, the loss, and the pictures that they learn on."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from backend.embedded.scorer.network import PICTURE_SIZE, ScorerNetwork, Sizes, contrastive_loss
from backend.embedded.scorer.pictures import Chance, backgrounds, bent, varied

torch.set_num_threads(1)
SIZES = Sizes(("mug", "tree"), ("red", "green", "blue"), ("plain",), widths=(8, 8, 16, 16), joint=16)


def ball(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Stored renders of a red ball: albedo and normals."""
    axis = (torch.arange(PICTURE_SIZE) + 0.5) / PICTURE_SIZE * 2 - 1
    x, y = axis[None, :].expand(PICTURE_SIZE, -1) / 0.7, -axis[:, None].expand(-1, PICTURE_SIZE) / 0.7
    inside = x.square() + y.square() < 1
    normals = torch.stack([x, y, (1 - x.square() - y.square()).clamp_min(0).sqrt()], dim=-1) * inside[..., None]
    albedo = torch.zeros(PICTURE_SIZE, PICTURE_SIZE, 4, dtype=torch.uint8)
    albedo[inside] = torch.tensor([200, 30, 30, 255], dtype=torch.uint8)
    stored = (normals * 127).round().to(torch.int8)
    return albedo.expand(count, -1, -1, -1).clone(), stored.expand(count, -1, -1, -1).clone()


def test_embeddings_are_unit_vectors_and_the_heads_have_their_names():
    network = ScorerNetwork(SIZES).eval()
    vectors, features = network.embed_pictures(torch.rand(3, 3, PICTURE_SIZE, PICTURE_SIZE))
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(network.embed_sentences(torch.randn(5, 384)).norm(dim=-1), torch.ones(5))
    assert {name: logits.shape[1] for name, logits in network.read(features).items()} == {
        "kind": 2,
        "colour": 3,
        "pattern": 1,
    }


def test_the_shipped_size_stays_small():
    names = tuple(str(number) for number in range(60))
    assert sum(p.numel() for p in ScorerNetwork(Sizes(names, names[:16], names[:15])).parameters()) <= 1_600_000


def test_loss_of_distinct_pairs_is_cross_entropy_both_ways():
    generator = torch.Generator().manual_seed(1)
    pictures, sentences = (
        functional.normalize(torch.randn(4, 8, generator=generator, dtype=torch.float64), dim=-1) for _ in "ab"
    )
    scale = torch.tensor(5.0, dtype=torch.float64)
    own = torch.arange(4)
    logits = scale * pictures @ sentences.T
    expected = 0.5 * (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own))
    loss = contrastive_loss(pictures, sentences, scale, torch.eye(4, dtype=torch.bool))
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=1e-6)


def test_loss_does_not_tell_equal_things_apart():
    place = functional.normalize(torch.randn(1, 8, generator=torch.Generator().manual_seed(2)), dim=-1)
    pictures = place.expand(3, -1)
    every = torch.ones(3, 3, dtype=torch.bool)
    # All right answers are equally near, so the best a picture can do is the entropy of an even choice.
    assert contrastive_loss(pictures, pictures, torch.tensor(10.0), every).item() == pytest.approx(
        math.log(3), abs=1e-5
    )


def test_extra_sentences_make_a_picture_choose_among_more():
    generator = torch.Generator().manual_seed(3)
    pictures, sentences = (
        torch.eye(4),
        torch.cat([torch.eye(4), functional.normalize(torch.randn(6, 4, generator=generator))]),
    )
    scale = torch.tensor(4.0)
    plain = contrastive_loss(pictures, sentences[:4], scale, torch.eye(4, dtype=torch.bool))
    more = contrastive_loss(pictures, sentences, scale, torch.eye(4, 10, dtype=torch.bool))
    assert more > plain


def test_pictures_vary_repeat_with_the_seed_and_stay_in_range():
    albedo, normals = ball(8)
    first = varied(albedo, normals, torch.Generator().manual_seed(5))
    again = varied(albedo, normals, torch.Generator().manual_seed(5))
    assert first.shape == (8, 3, PICTURE_SIZE, PICTURE_SIZE)
    assert torch.equal(first, again) and first.min() >= 0 and first.max() <= 1
    apart = (first[:, None] - first[None]).abs().mean(dim=(2, 3, 4))
    assert apart[~torch.eye(8, dtype=torch.bool)].min() > 0.03


def test_the_object_stays_what_it_was():
    albedo, normals = ball(64)
    middle = varied(albedo, normals, torch.Generator().manual_seed(6))[:, :, 13:19, 13:19].mean(dim=(2, 3))
    assert (middle[:, 0] > middle[:, 1] + 0.1).all() and (middle[:, 0] > middle[:, 2] + 0.1).all()


def test_bent_normals_are_unit_and_still_about_right():
    _, normals = ball(32)
    straight = normals.permute(0, 3, 1, 2).float() / 127.0
    inside = straight.square().sum(dim=1) > 0.5
    found = bent(straight, Chance(32, torch.Generator().manual_seed(7)))
    lengths = found.norm(dim=1)[inside]
    assert (lengths - 1).abs().max() < 1e-3
    assert (found * straight).sum(dim=1)[inside].mean() > 0.85


def test_backgrounds_reach_dark_and_bright():
    levels = backgrounds(Chance(256, torch.Generator().manual_seed(8)), 16).mean(dim=(1, 2, 3))
    assert levels.min() < 0.2 and levels.max() > 0.8


def test_sizes_survive_json():
    import json

    assert Sizes.from_map(json.loads(json.dumps(SIZES.to_map()))) == SIZES


def test_sizes_without_names_are_refused():
    with pytest.raises(ValueError, match="at least one kind"):
        Sizes((), ("red",), ("plain",))
