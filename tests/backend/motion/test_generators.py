# SPDX-License-Identifier: GPL-3.0-or-later
"""Every generator on figures of several proportions: standing feet stand, loops close, joints stay in range, and style
words change what they say. Truth is a forward kinematics of the tests' own, from the keys as they travel."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion import gaits
from backend.motion.figure import PLACE, Figure
from backend.motion.index import GENERATORS
from backend.motion.manner import MANNERS, NEUTRAL, manner_of
from backend.motion.measures import MEAN_SPEED, MOST_SPEED, quality
from backend.motion.repertoire import make
from backend.motion.stance import two_bones
from backend.motion.take import to_motion
from backend.motion.turns import about
from backend.motion.words import Part
from tests.backend.motion.skeletons import heads_of, human

DO = Part("do", ())
TOES = [PLACE["LeftToeBase"], PLACE["RightToeBase"]]


@pytest.mark.parametrize("entry", GENERATORS, ids=lambda entry: entry.name)
def test_standing_feet_stand_and_joints_stay_in_range(entry, figure):
    for loop in (True, False) if entry.cyclic else (False,):
        take = make(entry, DO, figure, 30.0, 0, NEUTRAL, loop)
        assert quality(figure, take).faults() == []
        heads = heads_of(figure.skeleton, to_motion(take, figure, "root_motion"))
        toes = heads[:, TOES]
        stands = take.contacts[:, [1, 3]].astype(bool)
        speed = np.linalg.norm(np.diff(toes, axis=0), axis=-1) * 30.0
        both = stands[1:] & stands[:-1]
        if both.any():
            assert speed[both].mean() <= MEAN_SPEED and speed[both].max() <= MOST_SPEED
        assert (toes[..., 2] - figure.heads[TOES, 2]).min() >= -0.005


BODIES = {"T": human(0.0), "child": human(1.2, 0.55), "giant": human(0.4, 1.3, seed=9)}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", ["walk", "run", "dance", "kick", "sit"])
def test_any_body(name, body):
    figure = Figure.of(BODIES[body])
    entry = next(one for one in GENERATORS if one.name == name)
    assert quality(figure, make(entry, DO, figure, 24.0, 0, NEUTRAL, entry.cyclic)).faults() == []


@pytest.mark.parametrize("fps", [12.0, 24.0, 60.0])
def test_loops_have_the_frames_that_were_asked_for_and_close(fps, figure):
    gait = gaits.in_manner(gaits.WALK, NEUTRAL)
    assert len(gaits.endless(figure, gait, fps, 37)) == 37
    take = gaits.endless(figure, gait, fps, 150)
    assert len(take) == 150 and quality(figure, take).seam <= 1e-3
    # Two strides made at once: the second is the first, moved on.
    half = len(gaits.endless(figure, gait, fps, 0))
    again = gaits.endless(figure, gait, fps, 2 * half)
    heads, _ = figure.positions(again.turns, again.root)
    assert np.abs(heads[half:] - heads[:half] - np.array([*again.stride, 0]) / 2).max() < 1e-3


def test_a_walk_is_a_walk_and_a_run_flies(figure):
    walk = gaits.endless(figure, gaits.in_manner(gaits.WALK, NEUTRAL), 30.0, 60)
    run = gaits.endless(figure, gaits.in_manner(gaits.RUN, NEUTRAL), 30.0, 60)
    assert walk.contacts.any(1).all(), "one foot stands at any time"
    both = walk.contacts.reshape(-1, 2, 2).any(-1).all(1)
    assert 0.1 < both.mean() < 0.35, "and both for a while"
    assert 0.15 < (~run.contacts.any(1)).mean() < 0.5
    assert -run.stride[1] / run.seconds > 2 * -walk.stride[1] / walk.seconds
    heads, _ = figure.positions(walk.turns, walk.root)
    knees = quality(figure, walk).ranges["knee"]
    assert knees[0] < 6, "legs are stretched once a step"
    # Each arm swings with the other side's leg.
    arm = heads[:, PLACE["LeftHand"], 1] - heads[:, PLACE["LeftArm"], 1]
    leg = heads[:, PLACE["RightFoot"], 1] - heads[:, PLACE["RightUpLeg"], 1]
    assert np.corrcoef(arm, leg)[0, 1] > 0.8


def chest_pitch(take) -> float:
    up = take.turns[:, PLACE["Spine2"]] @ np.array([0.0, 0.0, 1.0])
    return float(np.degrees(np.arctan2(-up[:, 1], up[:, 2])).mean())


def test_style_words_do_what_they_say(figure):
    def walk(*words, strength=1.0):
        manner = manner_of(words, strength)
        return gaits.endless(figure, gaits.in_manner(gaits.WALK, manner), 30.0, 0, manner)

    def speed(take):
        return -take.stride[1] / take.seconds

    plain = walk()
    assert speed(walk("fast")) > 1.2 * speed(plain) > 1.2 * speed(walk("slow"))
    assert speed(walk("tired")) < 0.8 * speed(plain) and chest_pitch(walk("tired")) > chest_pitch(plain) + 8
    assert chest_pitch(walk("proud")) < chest_pitch(plain) - 2 and chest_pitch(walk("old")) > chest_pitch(plain) + 12
    assert walk("sneaky").root[:, 2].mean() < plain.root[:, 2].mean() - 0.06
    assert np.ptp(walk("happy").root[:, 2]) > np.ptp(plain.root[:, 2])
    assert np.ptp(walk("drunk").root[:, 0]) > 1.5 * np.ptp(plain.root[:, 0])
    assert abs(speed(walk("tired", strength=0.0)) - speed(plain)) < 1e-9
    assert speed(walk("tired", strength=2.0)) < speed(walk("tired")) < speed(walk("tired", strength=0.5))


@pytest.mark.parametrize("words", sorted(MANNERS))
def test_in_every_manner_feet_stand(words, figure):
    manner = MANNERS[words]
    take = gaits.endless(figure, gaits.in_manner(gaits.WALK, manner), 30.0, 60, manner)
    assert quality(figure, take).faults() == []


def test_turns_go_where_they_should(figure):
    for degrees in (90.0, -120.0, 180.0):
        part = Part("turn", ("turn",), degrees=abs(degrees), direction="right" if degrees < 0 else "left")
        take = make(next(one for one in GENERATORS if one.name == "turn"), part, figure, 30.0, 0, NEUTRAL, False)
        ahead = take.turns[-1, 0] @ [0.0, -1.0, 0.0]
        wanted = about("z", np.radians(degrees)) @ [0.0, -1.0, 0.0]
        assert ahead @ wanted > 0.999


def test_a_way_is_as_long_as_it_was_said(figure):
    for name, metres in (("walk", 4.0), ("run", 9.0), ("walk_backwards", 1.5)):
        entry = next(one for one in GENERATORS if one.name == name)
        take = make(entry, Part("go", (), metres=metres), figure, 30.0, 0, NEUTRAL, False)
        way = take.path[-1] - take.path[0]
        assert np.linalg.norm(way) == pytest.approx(metres, rel=0.01)
        assert (way[1] > 0) == (name == "walk_backwards")


def test_two_bones_reach_what_is_in_reach():
    random = np.random.default_rng(0)
    way = random.normal(size=(200, 3))
    way *= (random.uniform(0.55, 0.97, 200) * 0.9 / np.linalg.norm(way, axis=1))[:, None]
    hinge = random.normal(size=(200, 3))
    upper, lower = two_bones(way, hinge, 0.5, 0.4, 1.0)
    end = (upper @ [0, 0, -0.5]) + (lower @ [0, 0, -0.4])
    assert np.abs(end - way).max() < 1e-9
    # It bends about the hinge, backwards.
    bend = np.swapaxes(upper, -1, -2) @ lower
    assert np.abs(bend[:, 0, 0] - 1).max() < 1e-9 and (bend[:, 2, 1] > 0).all()
