# SPDX-License-Identifier: GPL-3.0-or-later
"""From sentences to motions: lengths, sequences, layers, loops, sides, manners, clips of the user, and the same again
for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion import gaits
from backend.motion.clips import of_recording
from backend.motion.figure import PLACE, Figure
from backend.motion.gltf import read_glb
from backend.motion.library import compose, perform
from backend.motion.manner import NEUTRAL
from backend.motion.measures import quality
from backend.motion.take import cut
from protocol.errors import BadRequest
from tests.backend.motion.files import write_glb
from tests.backend.motion.skeletons import heads_of, human

PROMPTS = ("walks in tired, then waves", "sit down, look around and stand up", "turn left 90 degrees then run",
           "waves while walking", "jump twice, then bow", "crawl, then clap", "drunk walk for 4 seconds")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_what_comes_is_sound(prompt, figure):
    made = compose(prompt, figure, 24.0)
    assert quality(figure, made.take).faults() == [] and made.notes == []
    assert sum(part.frames for part in made.parts) == len(made.motion)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("frames", [50, 241])
def test_length_in_frames(prompt, frames, figure):
    assert len(compose(prompt, figure, 24.0, frames).motion) == frames


def test_the_same_seed_gives_the_same_bits(figure):
    first, again, other = (compose("walk", figure, 30.0, 90, seed).motion for seed in (1, 1, 2))
    assert (first.rotations == again.rotations).all() and (first.root == again.root).all()
    assert (first.rotations != other.rotations).any()


def test_in_place_and_travelling(figure):
    there = compose("walk 3 metres", figure, 30.0, loop="no", root_mode="root_motion").motion
    here = compose("walk 3 metres", figure, 30.0, loop="no").motion
    assert there.root[-1, 1] == pytest.approx(-3.0, abs=0.1) and np.abs(here.root[:, 1]).max() < 0.15
    assert (there.rotations == here.rotations).all()
    round_ = compose("run", figure, 30.0, root_mode="root_motion").motion
    assert round_.loop and round_.stride[1] < -2.0
    assert compose("run", figure, 30.0).motion.stride == (0.0, 0.0, 0.0)


def test_loops_are_for_what_people_repeat(figure):
    assert compose("walk", figure).motion.loop and not compose("bow", figure).motion.loop
    assert compose("bow", figure, loop="yes").motion.loop and not compose("walk", figure, loop="no").motion.loop
    assert compose("walk, then sit down", figure, loop="yes").motion.loop


def test_sitting_figures_gesture_in_their_seats(figure):
    made = compose("sit down, then wave", figure, 30.0)
    wave = made.parts[1]
    hips = made.take.root[wave.begin + 20 : wave.begin + 60, 2]
    assert hips.max() < -0.25, "the hips stay on the seat"
    heads, _ = figure.positions(made.take.turns, made.take.root)
    assert heads[wave.begin + 40, PLACE["RightHand"], 2] > heads[wave.begin + 40, PLACE["RightArm"], 2]


def test_walks_in_ends_on_the_spot(figure):
    made = compose("walks in, then waves", figure, 30.0, root_mode="root_motion")
    assert made.motion.root[0, 1] > 1.5 and abs(made.motion.root[-1, 1]) < 0.1


def test_sides(figure):
    for prompt, hand in (("wave", "Right"), ("wave with the left hand", "Left")):
        take = compose(prompt, figure, 30.0).take
        heads, _ = figure.positions(take.turns, take.root)
        up = {side: heads[len(take) // 2, PLACE[f"{side}Hand"], 2] for side in ("Left", "Right")}
        assert max(up, key=up.get) == hand
    take = compose("wave", figure, 30.0, mirrored=True).take
    heads, _ = figure.positions(take.turns, take.root)
    assert heads[len(take) // 2, PLACE["LeftHand"], 2] > heads[len(take) // 2, PLACE["LeftArm"], 2]


def test_style_strength(figure):
    def pitch(style):
        up = compose("tired walk", figure, 30.0, style=style).take.turns[:, PLACE["Spine2"]] @ [0.0, 0.0, 1.0]
        return -up[:, 1].mean()

    assert pitch(0.0) < pitch(0.5) < pitch(1.0) < pitch(2.0)


def test_what_is_not_known_is_said(figure):
    made = compose("frobnicate", figure)
    assert made.parts[0].entry.name == "idle" and "frobnicate" in made.notes[0]

    def encode(texts):  # the third caption says the same as the prompt
        rows = np.eye(len(texts), dtype=np.float32)
        rows[0] = rows[3]
        return rows

    made = compose("frobnicate", figure, encode=encode)
    assert made.parts[0].entry.name == "jog" and "jogs" in made.notes[0]


def test_clips_of_the_user(figure, tmp_path):
    other = Figure.of(human(0.0, 1.2, seed=8))
    walk = gaits.endless(other, gaits.in_manner(gaits.WALK, NEUTRAL), 30.0, 60)
    write_glb(tmp_path / "clips.glb", other, {"Silly_Walk_Loop": cut(walk, 0, 60), "Juggle": cut(walk, 0, 40)})
    clips = of_recording(read_glb(tmp_path / "clips.glb"))
    made = compose("she walks", figure, 30.0, 120, clips=clips)
    assert made.parts[0].entry.name == "Silly_Walk_Loop" and len(made.motion) == 120 and made.motion.loop
    assert compose("she walks", figure, 30.0, method="generators", clips=clips).parts[0].entry.name == "walk"
    assert compose("juggle", figure, 30.0, clips=clips).parts[0].entry.name == "Juggle"
    mixed = compose("juggle, then wave", figure, 30.0, clips=clips)
    assert [part.entry.clip for part in mixed.parts] == [1, -1]
    with pytest.raises(BadRequest, match="no clips"):
        compose("walk", figure, method="clips")


def test_perform_is_what_other_recipes_call():
    skeleton = human(0.7, seed=11)
    motion = perform("walks slowly", skeleton, 2.0, 24.0, 5)
    assert len(motion) == 48 and motion.rotations.shape == (48, 22, 4)
    heads = heads_of(skeleton, motion)
    assert heads[:, PLACE["Head"], 2].min() > 1.4
