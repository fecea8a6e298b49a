# SPDX-License-Identifier: GPL-3.0-or-later
"""Words move the body the way they say, in degrees, combinations and negations, without any weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.avatar.body import body_asset
from backend.avatar.dress import dress
from backend.avatar.reading import read
from protocol.errors import BadRequest

ASSET = body_asset()


def body(prompt):
    look = read(prompt).look
    return ASSET.evaluate(look.sliders, look.scale)


def girth(one, low=0.52, high=0.68):
    """Mean of width and depth of the trunk between two shares of the height, over the height."""
    z = one.vertices[:, 2] / one.height
    arms = [j for j, name in enumerate(ASSET.names) if "Arm" in name or "Hand" in name]
    trunk = ~np.isin(ASSET.weight_joints[:, 0], arms) & (z > low) & (z < high)
    return float(np.ptp(one.vertices[trunk][:, :2], axis=0).mean() / one.height)


def span(one, first, second):
    return float(np.linalg.norm(one.heads[ASSET.joint(first)] - one.heads[ASSET.joint(second)]))


def shoulders(one):
    return span(one, "LeftArm", "RightArm") / one.height


def legs(one):
    return span(one, "LeftUpLeg", "LeftFoot") / one.height


# Thirty descriptions, each measured on the body itself: the later one of a row has more of it.
MORE = [
    ("height", ["a very short man", "a short man", "a man", "a tall man", "a very tall man"], lambda b: b.height),
    ("height", ["a tiny woman", "a woman", "a towering woman"], lambda b: b.height),
    ("height", ["a baby", "a toddler", "a child", "a teenager", "an adult"], lambda b: b.height),
    ("girth", ["a skinny man", "a slim man", "a man", "an overweight man", "a very fat man"], girth),
    ("girth", ["a woman", "a slightly overweight woman", "a fat woman", "an obese woman"], girth),
    ("girth", ["a flat-bellied man", "a man", "a man with a big belly", "a man with a very big belly"], girth),
    ("shoulders", ["a narrow-shouldered man", "a man", "a broad-shouldered man"], shoulders),
    ("legs", ["a woman with short legs", "a woman", "a woman with very long legs"], legs),
    ("muscle", ["a frail man", "a man", "a muscular man"], lambda b: girth(b, 0.70, 0.80)),
]


@pytest.mark.parametrize(("name", "prompts", "measure"), MORE, ids=[f"{row[0]} {i}" for i, row in enumerate(MORE)])
def test_monotone_in_what_is_said(name, prompts, measure):
    values = [measure(body(prompt)) for prompt in prompts]
    assert (np.diff(values) > 1e-3 * abs(values[0])).all(), (name, dict(zip(prompts, values, strict=True)))


@pytest.mark.parametrize(
    ("prompt", "sliders"),
    [
        ("a tall elderly muscular man", {"height": 1, "age": 1, "muscle": 1, "gender": -1}),
        ("a short, fat woman with broad shoulders", {"height": -1, "weight": 1, "shoulders": 1, "gender": 1}),
        ("an old thin man", {"age": 1, "weight": -1}),
        ("a slim, young, athletic woman", {"weight": -1, "age": -1, "muscle": 1}),
        ("a boy who is very tall", {"height": 1, "age": -1, "gender": -1}),
        ("a man who is not tall", {"height": -1}),
        ("a woman who isn't fat", {"weight": -1}),
        ("a lanky teenager with big ears and a long nose", {"height": 1, "weight": -1, "ears": 1, "nose": 1}),
        ("a pot-bellied, narrow-shouldered man with short legs", {"belly": 1, "shoulders": -1, "legs": -1}),
        ("a burly broad-shouldered firefighter", {"muscle": 1, "weight": 1, "shoulders": 1}),
    ],
)
def test_combinations_agree_in_sign(prompt, sliders):
    look = read(prompt).look
    neutral = {"height": 0.5, "weight": 0.5, "muscle": 0.5, "age": 0.7, "gender": 0.5}
    for name, sign in sliders.items():
        assert sign * (look.sliders.get(name, 0.0) - neutral.get(name, 0.0)) > 0.01, (name, look.sliders)


def test_adjectives_belong_to_their_noun():
    look = read("a man with short hair, a long beard, a tall hat and thin glasses").look
    assert look.sliders["height"] == 0.5 and look.sliders["weight"] == 0.5
    assert (look.hair, look.beard) == ("short", "long beard")


@pytest.mark.parametrize(
    ("prompt", "metres"),
    [("a man, 1.92 m tall", 1.92), ("a woman of 158 cm", 1.58), ("a 6'2\" soldier", 1.8796), ("a boy of 1m20", 1.2),
     ("a very tall basketball player, 2.15 metres", 2.15), ("a 5 feet 4 inches tall nurse", 1.6256)],
)  # fmt: skip
def test_height_is_met(prompt, metres):
    reading = read(prompt)
    assert reading.height_metres == pytest.approx(metres, abs=1e-3)
    assert body(prompt).height == pytest.approx(metres, rel=0.002)


def test_the_field_wins_over_the_words():
    look = read("a man, 1.92 m tall", 1.5).look
    assert ASSET.evaluate(look.sliders, look.scale).height == pytest.approx(1.5, rel=0.002)


@pytest.mark.parametrize(
    ("prompt", "worn", "not_worn"),
    [
        ("a firefighter", {"fire coat": "khaki", "fire helmet": "red"}, ()),
        ("a firefighter without a helmet", {"fire coat": "khaki"}, ("fire helmet",)),
        ("a red wizard", {"robe": "red", "wizard hat": "red"}, ()),
        ("a woman in a long blue dress and black boots", {"gown": "blue", "boots": "black"}, ("jeans", "t-shirt")),
        ("a man in a green striped shirt and shorts, barefoot", {"shirt": "green"}, ("jeans", "trainers", "shoes")),
        ("a girl with a yellow skirt", {"skirt": "yellow"}, ("jeans",)),
        ("a person dressed in black", {"jeans": "black", "t-shirt": "black"}, ()),
        ("a man in a suit with a red tie", {"suit jacket": "navy", "trousers": "navy", "tie": "red"}, ("t-shirt",)),
        ("a knight with a purple cape and no helmet", {"armour": "steel", "cape": "purple"}, ("knight's helmet",)),
    ],
)
def test_clothes_are_what_is_said(prompt, worn, not_worn):
    found = {one.kind: one.colour for one in read(prompt).look.worn}
    for kind, colour in worn.items():
        assert found.get(kind) == colour, found
    assert not set(not_worn) & set(found)


@pytest.mark.parametrize(
    ("prompt", "hair", "colour", "beard"),
    [
        ("a bald man with a red beard", "bald", "red", "beard"),
        ("a blonde woman with a ponytail", "ponytail", "blond", ""),
        ("an old man with long white hair and a moustache", "long", "white", "moustache"),
        ("a ginger-haired girl with braids", "braids", "ginger", ""),
        ("a wizard without a beard", "long", "white", ""),
    ],
)
def test_hair_and_beard(prompt, hair, colour, beard):
    look = read(prompt).look
    assert (look.hair, look.hair_colour, look.beard) == (hair, colour, beard)


@pytest.mark.parametrize("prompt", ["a dragon", "a red chair", "two small dogs"])
def test_what_is_no_person_is_refused_with_advice(prompt):
    with pytest.raises(BadRequest) as caught:
        read(prompt)
    assert caught.value.path == "prompt" and "text to 3D" in caught.value.hint


def test_a_person_beside_something_else_is_made():
    reading = read("a wizard with a small dragon")
    assert reading.look.wears("robe") and any("dragon" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("prompt", "word"),
    [("a tall short man", "height"), ("a fat, skinny woman", "weight"), ("a young elderly man", "ages"),
     ("a knight doctor", "at once"), ("a gloopy man", "gloopy")],
)  # fmt: skip
def test_contradictions_and_unknown_words_are_told(prompt, word):
    assert any(word in note for note in read(prompt).notes)


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t"])
def test_empty_prompt(prompt):
    with pytest.raises(BadRequest) as caught:
        read(prompt)
    assert caught.value.path == "prompt" and caught.value.hint


def test_impossible_height_is_refused():
    with pytest.raises(BadRequest, match="person of 9.00 m"):
        read("a man 9 m tall")


SAID = ("a very tall short fat not no without man woman wizard red striped hat shirt of with hair long beard in "
        "and , 1.8 m old slightly big belly shoulders blue eyed dress boots barefoot green dragon 180 cm")  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(SAID.split()), min_size=1, max_size=14))
def test_any_words_give_a_body_or_an_error_of_ours(words):
    try:
        reading = read(" ".join(words))
    except BadRequest:
        return
    ASSET.evaluate(reading.look.sliders, reading.look.scale)


def test_every_reading_can_be_dressed():
    figure = dress(read("a green goblin king with sunglasses, a scarf and a backpack").look)
    assert len(figure.parts) > 6
