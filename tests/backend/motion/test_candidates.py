# SPDX-License-Identifier: GPL-3.0-or-later
"""Key poses for words, a motion by them, and the autoencoder: its parts against plain formulas, its shipped weights on
motion of the generators."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.motion import candidates, gaits
from backend.motion.autoencoder import COSINES, cosines, joints, load, rotations, standing, through
from backend.motion.features import FRAMES, average_figure, features, take_of, windows
from backend.motion.manner import NEUTRAL
from backend.motion.measures import quality
from backend.motion.take import heading_of
from backend.motion.turns import about, angle_of, from_six, transpose


@pytest.fixture(scope="module")
def walk():
    figure = average_figure()
    return figure, gaits.endless(figure, gaits.in_manner(gaits.WALK, NEUTRAL), 30.0, 120)


def test_features_come_back(walk, figure):
    person, take = walk
    numbers = features(person, take)
    again = take_of(person, numbers)
    assert np.abs(features(person, again)[:-1] - numbers[:-1]).max() < 1e-4
    turn = about("z", -heading_of(take.turns[:1, 0] @ transpose(person.neutral[0]))[0])  # it begins facing ahead
    assert np.abs(again.turns - turn @ take.turns).max() < 1e-4
    assert np.abs((again.root - again.root[0]) - (take.root - take.root[0]) @ turn.T).max() < 1e-3
    elsewhere = take_of(figure, features(person, take))  # another rest, other proportions
    heads, _ = figure.positions(elsewhere.turns, elsewhere.root)
    assert np.isfinite(heads).all() and heads[:, 5, 2].min() > 1.3


def test_cosines_are_orthonormal():
    whole = cosines(FRAMES, FRAMES).double()
    assert float((whole @ whole.T - torch.eye(FRAMES)).abs().max()) < 1e-5
    assert cosines(FRAMES, COSINES).shape == (COSINES, FRAMES)


def test_joints_are_those_of_the_figure(walk):
    person, take = walk
    numbers = torch.tensor(features(person, take))
    heads, _ = person.positions(take.turns, take.root)
    back = about("z", -heading_of(take.turns[:, 0]))
    expected = (back[:, None] @ (heads - heads[:, :1])[..., None])[..., 0]
    assert np.abs(joints(numbers, standing(person)).numpy() - expected).max() < 1e-4
    turn = rotations(torch.randn(50, 6))
    assert float((turn @ turn.transpose(1, 2) - torch.eye(3)).abs().max()) < 1e-5


def test_the_shipped_autoencoder_knows_our_motion(walk):
    person, take = walk
    data = torch.tensor(windows(person, take))
    network = load()
    with torch.no_grad():
        coded = network.decode(network.encode(data)[0])
        offsets = standing(person)
        error = (joints(coded, offsets) - joints(data, offsets)).norm(dim=-1).mean()
        still = (joints(data.mean((0, 1)).expand_as(data), offsets) - joints(data, offsets)).norm(dim=-1).mean()
    assert error < 0.5 * still


def test_poses_for_words_are_distinct_and_the_right_ones(figure):
    poses = candidates.shipped()
    assert len(poses.rotations) == len(poses.sources) > 1500
    chosen = candidates.chosen("punches", poses, figure)
    turns = from_six(chosen.astype(float).reshape(-1, 22, 6))
    apart = angle_of(transpose(turns[:, None]) @ turns[None]).mean(-1)
    assert len(chosen) == 5 and apart[np.triu_indices(5, 1)].min() >= candidates.ALIKE
    known = {tuple(row) for row in poses.rotations[[name == "punch" for name in poses.sources]]}
    assert all(tuple(row) in known for row in chosen)


def test_an_image_text_model_decides_where_there_is_one(figure):
    """A made-up model whose pictures are good when they are high: it must get the poses with the highest hands."""

    class Eyes:
        def of_texts(self, texts):
            return torch.tensor([[0.0, 1.0], [1.0, 0.0]])[: len(texts)]

        def of_pictures(self, pictures):
            dark = (pictures.mean(1) < 0.7).float()[:, :28]  # the uppermost quarter
            up = dark.mean((1, 2))
            return torch.stack([up, 0.001 + 0 * up], 1)

    poses = candidates.shipped()
    score = candidates._by_sight("reaches up", poses.rotations[::40], figure, Eyes())
    heads, _ = figure.positions(take_of(figure, np.pad(poses.rotations[::40], ((0, 0), (0, 4)))).turns,
                                np.zeros((len(score), 3)))
    high = np.maximum(heads[:, 9, 2], heads[:, 13, 2])
    assert high[score > 0.5].mean() > high[score <= 0.5].mean() + 0.2


@pytest.mark.parametrize("latent", [False, True])
def test_motions_by_candidates(latent, figure):
    take = candidates.perform("bow", figure, 24.0, 48, False, 3, latent=latent)
    assert len(take) == 48 and np.isfinite(take.root).all()
    assert quality(figure, take).depth <= 0.02
    chest = take.turns[:, 3] @ [0.0, 0.0, 1.0]
    assert (-chest[:, 1]).max() > 0.4, "somewhere it bends"


def test_the_search_comes_near_its_poses():
    poses = candidates.ordered(candidates.chosen("walk", candidates.shipped(), average_figure()))
    found, off = through(load(), poses, 0, steps=150)
    again, _ = through(load(), poses, 0, steps=150)
    assert (found == again).all(), "the same seed gives the same bits"
    _, at_first = through(load(), poses, 0, steps=0)
    assert np.degrees(np.mean(off)) < 10 and np.mean(off) < 0.5 * np.mean(at_first)
