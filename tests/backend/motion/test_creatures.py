# SPDX-License-Identifier: GPL-3.0-or-later
"""Animals: standing feet stand, loops close, a snake's body follows its head's track."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion.creature import limb
from backend.motion.creatures import ENDS, kind_of, perform
from protocol.errors import BadRequest
from tests.backend.motion.skeletons import bird, dog, heads_of, human, snake


def played(skeleton, prompt, frames=0):
    kind = kind_of(skeleton.names)
    motion, parts = perform(kind, skeleton, skeleton.names, prompt, 30.0, frames, root_mode="root_motion")
    return motion, heads_of(skeleton, motion), parts


def test_kinds():
    assert [kind_of(one.names) for one in (dog(), snake(), bird(), human())] == ["quadruped", "snake", "bird", ""]


@pytest.mark.parametrize("prompt", ["a dog walks", "it trots along", "run fast", "the old dog walks slowly"])
def test_four_legs_stand(prompt):
    skeleton = dog()
    motion, heads, _ = played(skeleton, prompt)
    toes = heads[:, [skeleton.index(f"{end}Toe") for end in ENDS]]
    speed = np.linalg.norm(np.diff(toes, axis=0), axis=-1) * 30.0
    both = (motion.contacts[1:] & motion.contacts[:-1]).astype(bool)
    assert both.any(0).all() and speed[both].max() <= 0.05
    assert toes[..., 2].min() >= 0.03 - 0.005 and motion.stride[1] < -0.1
    standing = motion.contacts.sum(1)
    assert standing.min() >= (2 if "walk" in prompt else 0)


def test_a_walk_has_four_beats_and_a_trot_two():
    walk, _, _ = played(dog(), "walk", 40)
    trot, _, _ = played(dog(), "trot", 20)
    down = [np.flatnonzero(np.diff(np.concatenate([one.contacts[-1:], one.contacts]).astype(int), axis=0)[:, n] > 0)[0]
            for one in (walk, trot) for n in range(4)]
    assert len(set(down[:4])) == 4 and len(set(down[4:])) == 2


@pytest.mark.parametrize(("make", "prompt"), [(dog, "walk"), (dog, "idle"), (snake, "slither"), (bird, "fly"),
                                              (bird, "walk"), (snake, "wait")])
def test_loops_close(make, prompt):
    motion, heads, _ = played(make(), prompt, 60)
    again, twice, _ = played(make(), prompt, 60)
    assert (again.rotations == motion.rotations).all() and motion.loop and len(motion) == 60
    around = np.concatenate([heads[-3:] - motion.stride, heads[:3]])
    step = np.linalg.norm(np.diff(around, axis=0), axis=-1)
    assert step[2].max() <= 1.6 * max(step[[1, 3]].max(), 1e-4), "the step over the seam is like its neighbours"


def test_a_snake_follows_its_own_track():
    skeleton = snake()
    motion, heads, _ = played(skeleton, "slithers", 80)
    body = heads[:, [skeleton.index("Spine"), *(skeleton.index(f"Spine{n}") for n in range(1, 17))]]
    step = np.diff(body, axis=0)[:, :-1]
    along = np.diff(body, axis=1)[:-1]
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    sideways = np.linalg.norm(step - (step * along).sum(-1, keepdims=True) * along, axis=-1)
    assert sideways.max() < 0.4 * np.linalg.norm(step, axis=-1).mean(), "its bones are chords of the track"
    assert np.abs(heads[..., 2] - 0.04).max() < 0.05 and motion.stride[1] < -0.3
    assert np.ptp(heads[0, :, 0]) > 0.08, "it winds"


def test_wings_beat_together():
    skeleton = bird()
    _, heads, _ = played(skeleton, "the bird flies")
    left, right = heads[:, skeleton.index("LeftHandWing")], heads[:, skeleton.index("RightHandWing")]
    assert np.abs(left[:, 2] - right[:, 2]).max() < 1e-4 and np.ptp(left[:, 2]) > 0.3


def test_what_an_animal_cannot_do_is_said():
    with pytest.raises(BadRequest, match="play"):
        perform("quadruped", dog(), dog().names, "play chess", 30.0)


def test_limbs_reach():
    random = np.random.default_rng(2)
    first, second = np.array([0.02, 0.1, -0.3]), np.array([0.0, -0.15, -0.25])
    way = random.normal(size=(100, 3))
    way *= (random.uniform(0.25, 0.55, 100) / np.linalg.norm(way, axis=1))[:, None]
    upper, lower = limb(first, second, way)
    assert np.abs(upper @ first + lower @ second - way).max() < 1e-6
