# SPDX-License-Identifier: GPL-3.0-or-later
"""The animate job: from arrays to arrays, what the scene sees meanwhile, cancelling, animals, clips of a folder."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.jobs import TerminalContext, run
from backend.motion import gaits
from backend.motion.figure import Figure
from backend.motion.manner import NEUTRAL
from backend.motion.take import cut
from protocol.errors import BadRequest, Cancelled
from protocol.motion import CHUNK_FRAMES, Motion
from protocol.skeleton import write_names
from protocol.specs import AnimateSpec
from protocol.updates import result_from_arrays
from tests.backend.motion.files import write_glb
from tests.backend.motion.skeletons import dog, human


def context(tmp_path, skeleton=None, **more) -> TerminalContext:
    return TerminalContext(tmp_path, inputs=(skeleton or human()).arrays(), **more)


def test_a_sentence_becomes_a_motion(tmp_path):
    here = context(tmp_path)
    result = run(AnimateSpec("walks, then waves", fps=24.0, seed=3), here)
    found = result_from_arrays(result.arrays)
    motion = Motion.from_arrays(found.arrays, result.report["motion"])
    assert motion.fps == 24.0 and not motion.loop and motion.rotations.shape[1] == 22
    assert [part["motion"] for part in result.report["parts"]] == ["walk", "wave"]
    assert Image.open(io.BytesIO(result.arrays["thumbnail"].tobytes())).size == (768, 128)
    lengths = [len(one) for one in here.motions]
    assert lengths[:3] == [CHUNK_FRAMES, 2 * CHUNK_FRAMES, 3 * CHUNK_FRAMES] and lengths[-1] == len(motion)
    assert len(lengths) > 3, "the figure moves before the end is known"
    again = run(AnimateSpec("walks, then waves", fps=24.0, seed=3), context(tmp_path))
    assert (again.arrays["motion_rotations"] == result.arrays["motion_rotations"]).all()


def test_frames_seconds_and_modes(tmp_path):
    result = run(AnimateSpec("run", frames=77, root_mode="root_motion", seed=1), context(tmp_path))
    assert result.report["motion"]["frames"] == 77 and result.report["motion"]["stride"][1] < -5
    result = run(AnimateSpec("run", seconds=2.5, fps=60.0, seed=1), context(tmp_path))
    assert result.report["motion"]["frames"] == 150 and np.abs(result.arrays["motion_root"][:, 1]).max() < 0.2


def test_animals(tmp_path):
    result = run(AnimateSpec("trots", frames=40, seed=1), context(tmp_path, dog()))
    assert result.report["parts"][0]["motion"] == "quadruped trot" and result.report["motion"]["loop"]
    with pytest.raises(BadRequest, match="quadruped"):
        run(AnimateSpec("plays the violin", seed=1), context(tmp_path, dog()))


def test_roles_come_along(tmp_path):
    inputs = human().arrays()
    names = [f"bone {n}" for n in range(22)]
    roles = inputs["joint_names"]
    here = TerminalContext(tmp_path, inputs={**inputs, "joint_names": write_names(tuple(names)), "joint_roles": roles})
    assert run(AnimateSpec("nod", seed=1), here).report["parts"][0]["motion"] == "nod"
    with pytest.raises(BadRequest, match="lacks"):
        run(AnimateSpec("nod", seed=1), TerminalContext(tmp_path, inputs={**inputs, "joint_names": write_names(
            tuple(names))}))


def test_clips_of_the_folder_and_notes(tmp_path):
    figure = Figure.of(human(0.0, seed=2))
    folder = tmp_path / "clips"
    folder.mkdir()
    walk = gaits.endless(figure, gaits.in_manner(gaits.WALK, NEUTRAL), 30.0, 60)
    write_glb(folder / "a.glb", figure, {"Moonwalk_Loop": cut(walk, 0, 60)})
    (folder / "b.bvh").write_text("nothing")
    here = context(tmp_path)
    here.motion_folder = folder
    result = run(AnimateSpec("moonwalk", seed=1), here)
    assert result.report["parts"][0]["source"] == "clip" and "b.bvh" in result.report["warnings"][0]
    with pytest.raises(BadRequest, match="no clips"):
        run(AnimateSpec("walk", method="clips", seed=1), context(tmp_path))


@pytest.mark.parametrize("method", ["candidates", "latent"])
def test_candidates(tmp_path, method):
    result = run(AnimateSpec("punch", method=method, frames=48, seed=1), context(tmp_path))
    assert result.report["parts"][0]["motion"] == "candidates" and result.report["motion"]["frames"] == 48


def test_it_can_be_cancelled(tmp_path):
    with pytest.raises(Cancelled):
        run(AnimateSpec("walk, then jump, then bow", seed=1),
            context(tmp_path, cancel_when=lambda here: len(here.motions) >= 2))
