# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch inside Blender: manifests through the add-on's hub, .blend files with several objects, and the scripting API
that a script meets first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

import blender_addon as maquette
from blender_addon import link, wire
from blender_addon.batch import assemble, command
from protocol.batch import shelf

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """
defaults: {seed: 7, blend: "{kind}"}
jobs:
  - {prompt: ball, name: First}
  - {prompt: ball, name: Second, place: [5, 0, 1]}
  - {prompt: unknown, name: Third}
  - {prompt: ball, name: Alone, blend: alone/it, size_metres: 2}
"""


def names(path: Path) -> dict[str, tuple[float, ...]]:
    """The objects of a .blend with where they stand."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return {item.name: tuple(round(value, 3) for value in item.location) for item in bpy.data.objects}


def test_a_manifest_becomes_files_and_blends(fake_hub, tmp_path, capsys):
    file = tmp_path / "shelf.yaml"
    file.write_text(MANIFEST)
    assert command.main(["batch", str(file), "--jobs", "2"]) == 0
    assert "4 done" in capsys.readouterr().out
    out = tmp_path / "shelf"
    for folder in ("001_First", "004_Alone"):
        found = {one.name for one in (out / folder).iterdir()}
        assert {"model.glb", "base_colour.png", "report.json"} <= found
        assert (out / folder / "model.glb").read_bytes()[:4] == b"glTF"
    placed = names(out / "text_to_3d.blend")
    assert set(placed) == {"First", "Second", "Third"} and placed["Second"] == (5.0, 0.0, 1.0)
    assert placed["First"] != placed["Third"], "objects without a place stand apart"
    assert set(names(out / "alone" / "it.blend")) == {"Alone"}
    assert bpy.data.objects["Alone"].data.materials[0] is not None

    assert command.main(["batch", str(file)]) == 0
    assert "4 skipped" in capsys.readouterr().out
    (out / "alone" / "it.blend").unlink()
    assert command.main(["batch", str(file)]) == 0 and (out / "alone" / "it.blend").exists()
    lines = [json.loads(line) for line in (out / ".batch" / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("submit") == 4


def test_exit_codes(fake_hub, tmp_path, capsys):
    file = tmp_path / "m.csv"
    file.write_text("prompt,retries\nball,0\nfail,0\n")
    assert command.main(["batch", str(file)]) == 1
    assert "The field has no surface." in capsys.readouterr().out
    file.write_text("promt\nball\n")
    assert command.main(["batch", str(file)]) == 2
    assert "Is prompt meant" in capsys.readouterr().err
    assert command.main(["fly"]) == 2


def test_the_shell_lets_a_blender_of_its_own_assemble(tmp_path, make_ball):
    """What `maquette batch` runs for a .blend: a process with nothing but Blender and this code."""
    np.savez(tmp_path / "a.npz", **make_ball())
    (tmp_path / "report.json").write_text("{}")
    spec = wire.specs.TextTo3DSpec(prompt="a ball")
    one = shelf.subject(spec, "1" * 32, tmp_path / "a.npz", tmp_path / "none.npz", tmp_path / "report.json")
    (tmp_path / "plan.json").write_text(json.dumps({"file": str(tmp_path / "b.blend"), "objects": [one, one]}))
    code = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from blender_addon.batch import assemble
assemble.main({str(tmp_path / 'plan.json')!r})
assert "zmq" not in sys.modules, "no wire is needed for this"
sys.stdout.flush()
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(names(tmp_path / "b.blend")) == {"Ball", "Ball.001"}


def test_a_window_is_not_emptied_by_a_batch(addon, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpy, "app", type("App", (), {"background": False}))
        with pytest.raises(wire.errors.BadRequest, match="replaces the open file"):
            command.run(tmp_path / "m.yaml")
        with pytest.raises(RuntimeError, match="background"):
            assemble.build([])


# --- scripting --------------------------------------------------------------------------------------------------------


def test_a_script_waits_for_its_object(fake_hub):
    handle = maquette.generate("ball", seed=3)
    assert handle.result is None and handle.error is None
    item = handle.wait(timeout=60.0)
    assert handle.done and handle.result is item and handle.report["seed"] == 3


def test_callbacks_see_the_way_and_the_end_once(fake_hub):
    seen, ends = [], []
    handle = maquette.generate("ball").on_progress(lambda one: seen.append(one.state)).on_end(ends.append)
    handle.wait(timeout=60.0)
    assert seen[-1] == "done" and len(seen) > 2 and ends == [handle]
    link.current().pump()
    assert ends == [handle]


def test_a_callback_that_fails_harms_nobody(fake_hub):
    ends = []
    handle = maquette.generate("ball").on_progress(lambda one: 1 / 0).on_end(ends.append)
    assert handle.wait(timeout=60.0) is not None and ends == [handle]


def test_a_cancelled_job_ends_with_its_error(fake_hub):
    handle = maquette.generate("wait")
    handle.on_progress(lambda one: one.cancel() if one.state == "working" else None)
    with pytest.raises(wire.errors.Cancelled):
        handle.wait(timeout=60.0)
    assert isinstance(handle.error, wire.errors.Cancelled) and handle.result is None


def test_what_this_version_cannot_do_is_said(addon, monkeypatch):
    known = {name: one for name, one in wire.specs.KINDS.items() if name != "avatar"}
    monkeypatch.setattr(wire.specs, "KINDS", known)
    with pytest.raises(wire.errors.UnknownKind, match="cannot make avatars") as refused:
        maquette.avatar("a knight")
    assert "text_to_3d" in refused.value.hint
    assert not hasattr(maquette, "sing")


OBJECTS = """
defaults: {kind: edit, seed: 7, retries: 0}
jobs:
  - {prompt: ball, inputs: {object: Crate}, name: First}
  - {prompt: ball, inputs: {object: Crate}, name: Second, blend: both}
  - {prompt: ball, inputs: {object: Gone}, name: Third}
  - {kind: texture, prompt: ball, inputs: {mesh: crate.glb}, name: Fourth}
"""


def test_rows_name_objects_of_the_open_file(fake_hub, tmp_path, capsys, monkeypatch):
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = "Crate"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "props.blend"))
    (tmp_path / "crate.glb").write_bytes(b"glTF")
    file = tmp_path / "objects.yaml"
    file.write_text(OBJECTS)
    sent = []
    submit = command.LinkDesk.submit
    monkeypatch.setattr(command.LinkDesk, "submit", lambda self, spec, inputs=None, *, job="": (
        sent.append(inputs), submit(self, spec, inputs, job=job))[1])
    assert command.main(["batch", str(file), "--jobs", "1"]) == 1
    said = capsys.readouterr().out
    assert "2 done, 2 failed" in said and "no object called Gone" in said and "mesh files are not read" in said
    # The second was sent after the first result had replaced the open file.
    assert [one["faces"].shape for one in sent] == [(12, 3), (12, 3)]
    assert (tmp_path / "objects" / "001_First" / "model.glb").exists()
    assert set(names(tmp_path / "objects" / "both.blend")) == {"Second"}
