# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips come out of files as they went in, limbs point on the target where they pointed on the source, feet that slid
stand, loops close; bad files are left out with a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.motion import gaits, repertoire
from backend.motion.bvh import read_bvh
from backend.motion.clean import found_contacts, looped, pinned, planted, soles
from backend.motion.clips import of_inputs, of_recording, read_folder
from backend.motion.figure import PLACE, Figure
from backend.motion.gltf import read_glb
from backend.motion.index import GENERATORS
from backend.motion.manner import MANNERS, NEUTRAL
from backend.motion.measures import quality
from backend.motion.retarget import Clip, carried, retarget
from backend.motion.styled import styled
from backend.motion.take import Take, cut, in_place, join, layer, mirror, resample, to_motion
from backend.motion.words import Part
from protocol.errors import BadRequest
from tests.backend.motion.files import write_bvh, write_glb
from tests.backend.motion.skeletons import human

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "motion"
LIMBS = [PLACE[side + part] for side in ("Left", "Right") for part in ("Arm", "ForeArm", "UpLeg", "Leg")]


def walking(figure: Figure, frames: int = 60) -> Take:
    return gaits.endless(figure, gaits.in_manner(gaits.WALK, NEUTRAL), 30.0, frames)


def limb_degrees(a: Figure, one: Take, b: Figure, other: Take) -> float:
    """The largest angle between limbs of two takes."""
    found = []
    for figure, take in ((a, one), (b, other)):
        heads, tips = figure.positions(take.turns, take.root)
        way = (tips - heads)[:, LIMBS]
        found.append(way / np.linalg.norm(way, axis=-1, keepdims=True))
    sine = np.linalg.norm(np.cross(found[0], found[1]), axis=-1)
    return float(np.degrees(np.arctan2(sine, (found[0] * found[1]).sum(-1))).max())


@pytest.mark.parametrize("source", [0.0, 0.8])
def test_a_glb_comes_back(source, tmp_path):
    figure = Figure.of(human(source, seed=4))
    take = cut(walking(figure), 0, 60)
    write_glb(tmp_path / "clips.glb", figure, {"Walk_Loop": take})
    (clip,) = of_recording(read_glb(tmp_path / "clips.glb", 30.0))
    heads, _ = figure.positions(take.turns, take.root)
    again, _ = clip.figure.positions(clip.take.turns, clip.take.root)
    assert clip.name == "Walk_Loop" and len(clip.take) == len(take)
    assert np.abs(again - heads).max() < 1e-4


def test_a_bvh_comes_back(tmp_path):
    figure = Figure.of(human(0.0))
    take = cut(walking(figure), 0, 40)
    write_bvh(tmp_path / "walk.bvh", figure, take)
    (clip,) = of_recording(read_bvh(tmp_path / "walk.bvh", 30.0))
    heads, _ = figure.positions(take.turns, take.root)
    again, _ = clip.figure.positions(clip.take.turns, clip.take.root)
    assert len(clip.take) == len(take) and np.abs(again - heads).max() < 2e-4


def test_limbs_point_where_they_did():
    source, target = Figure.of(human(0.0, seed=1)), Figure.of(human(1.1, 0.6, seed=2))
    for name in ("walk", "kick", "wave"):
        entry = next(one for one in GENERATORS if one.name == name)
        take = repertoire.make(entry, Part(name, ()), source, 30.0, 0, NEUTRAL, False)
        there = retarget(take, source, target)
        assert limb_degrees(source, take, target, there) <= 0.01
        back = retarget(there, target, source)
        assert limb_degrees(source, take, source, back) <= 0.01
        assert np.abs(there.root - take.root * target.hip_height / source.hip_height).max() < 1e-9


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the clips of shared/data are not beside the repository ({DATA})")
def test_real_clips_are_read_and_keep_their_directions():
    target = Figure.of(human(0.8))
    clips = of_recording(read_glb(DATA / "human-base-animations.glb"))
    assert len(clips) == 43
    for clip in clips[::6]:
        assert limb_degrees(clip.figure, clip.take, target, retarget(clip.take, clip.figure, target)) <= 0.01
    walk = carried(next(clip for clip in clips if clip.name == "Walk_Loop"), target)
    assert 0.7 < -walk.stride[1] / walk.seconds < 1.2, "the way that its feet speak of"


def test_a_walk_in_place_gets_its_way_back():
    figure = Figure.of(human())
    walk = walking(figure)
    still = in_place(walk)
    assert np.ptp(still.root[:, 1]) < 0.1
    again = pinned(figure, replace(still, contacts=0 * still.contacts))
    assert again.stride[1] == pytest.approx(walk.stride[1], rel=0.05)
    found = found_contacts(figure, again)
    balls, planned = found[:, [1, 3]].astype(bool), walk.contacts[:, [1, 3]].astype(bool)
    assert (balls == planned).mean() > 0.85


def test_sliding_feet_are_held():
    figure = Figure.of(human())
    walk = walking(figure)
    drift = np.stack([0.04 * np.sin(np.arange(60) / 60 * 2 * np.pi), 0 * np.arange(60), 0 * np.arange(60)], -1)
    sliding = replace(walk, root=walk.root + drift)
    held = planted(figure, sliding)
    before, after = quality(figure, sliding), quality(figure, held)
    assert before.most_speed > 0.1 and after.mean_speed <= 0.02 and after.most_speed <= 0.05
    moved = np.linalg.norm(soles(figure, held) - soles(figure, sliding), axis=-1).max()
    assert moved < 0.09


def test_loops_are_closed():
    figure = Figure.of(human())
    entry = next(one for one in GENERATORS if one.name == "wave")
    open_end = cut(repertoire.make(entry, Part("wave", ()), figure, 30.0, 0, NEUTRAL, False), 0, 45)
    closed = looped(figure, open_end)
    heads, _ = figure.positions(closed.turns, closed.root)
    step = np.linalg.norm(np.diff(heads, axis=0, append=heads[:1]), axis=-1).max(1)
    assert closed.loop and len(closed) == 44 and step[-1] <= step[:-1].max(), "a hand that was up comes down in time"
    walk = cut(resample(walking(figure), 30.0), 0, 60)
    again = looped(figure, walk)
    assert again.stride[1] == pytest.approx(walking(figure).stride[1], rel=0.03) and len(again) == 60


def test_mirror_layer_and_join():
    figure = Figure.of(human())
    walk = walking(figure)
    turned = mirror(mirror(walk))
    assert np.abs(turned.turns - walk.turns).max() < 1e-12 and (turned.contacts == walk.contacts).all()
    heads, _ = figure.positions(walk.turns, walk.root)
    mirrored, _ = figure.positions(mirror(walk).turns, mirror(walk).root)
    assert np.abs(mirrored[:, PLACE["LeftFoot"]] - heads[:, PLACE["RightFoot"]] * [-1, 1, 1]).max() < 1e-6
    entry = next(one for one in GENERATORS if one.name == "wave")
    wave = repertoire.make(entry, Part("wave", ()), figure, 30.0, 60, NEUTRAL, True)
    both = layer(walk, wave, repertoire.over(entry))
    assert np.abs(both.turns[:, LIMBS[6:]] - walk.turns[:, LIMBS[6:]]).max() < 1e-12, "the legs walk on"
    found, _ = figure.positions(both.turns, both.root)
    assert found[30, PLACE["RightHand"], 2] > found[30, PLACE["RightArm"], 2] > found[30, PLACE["LeftHand"], 2]
    entries = {one.name: one for one in GENERATORS}
    turn = repertoire.make(entries["turn"], Part("turn", (), degrees=90.0), figure, 30.0, 0, NEUTRAL, False)
    go = repertoire.make(entries["walk"], Part("walk", ()), figure, 30.0, 0, NEUTRAL, False)
    whole = planted(figure, join([turn, go]))
    way = whole.path[-1] - whole.path[0]
    assert way[0] > 2.0 and abs(way[1]) < 0.1, "after a turn to the left the walk goes to the left"
    assert quality(figure, whole).faults() == []


def test_clips_take_manners():
    figure = Figure.of(human())
    walk = walking(figure)
    tired = styled(figure, walk, MANNERS["tired"])
    assert len(tired) > 1.4 * len(walk)
    ahead = [(take.turns[:, PLACE["Spine2"]] @ [0, 0, 1.0])[:, 1].mean() for take in (walk, tired)]
    assert ahead[1] < ahead[0] - 0.15
    plain = styled(figure, walk, NEUTRAL)
    assert np.abs(plain.turns - walk.turns).max() < 1e-6


def test_actions_of_the_scene_come_back():
    figure = Figure.of(human(seed=3))
    walk = cut(walking(figure), 0, 60)
    motion = to_motion(walk, figure, "root_motion")
    inputs = {"clip_names": np.frombuffer(b"Saunter", np.uint8), "clip_0_rotations": motion.rotations,
              "clip_0_root": motion.root}
    (clip,) = of_inputs(figure, inputs, 30.0)
    assert clip.name == "Saunter" and np.abs(clip.take.turns - walk.turns).max() < 1e-5
    assert len(carried(Clip("Saunter_Loop", figure, clip.take), figure)) in (59, 60)
    with pytest.raises(BadRequest, match="Saunter"):
        of_inputs(figure, inputs | {"clip_0_rotations": motion.rotations * 0}, 30.0)


def test_bad_files_are_left_out(tmp_path):
    figure = Figure.of(human())
    write_glb(tmp_path / "good.glb", figure, {"Bow": cut(walking(figure), 0, 30)})
    whole = (tmp_path / "good.glb").read_bytes()
    (tmp_path / "empty.glb").write_bytes(b"")
    (tmp_path / "half.glb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.bvh").write_text("HIERARCHY ROOT a { OFFSET 0 0")
    (tmp_path / "picture.glb").write_bytes(b"\x89PNG" * 20)
    notes: list[str] = []
    clips = read_folder(tmp_path, notes)
    assert [clip.name for clip in clips] == ["Bow"]
    assert len(notes) == 4 and all(any(name in note for note in notes) for name in ("empty", "half", "text", "picture"))
    with pytest.raises(BadRequest):
        read_folder(tmp_path / "nowhere", notes)
