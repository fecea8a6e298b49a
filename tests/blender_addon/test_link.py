# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole add-on against a scripted hub on a real socket: operator to object, and every way it can go wrong."""

from __future__ import annotations

import threading
import time

import bpy
import numpy as np
import pytest

from blender_addon import connection, link, preferences, scripting, ticking, wire
from blender_addon.apply import preview


def press(prompt: str, **settings):
    properties = bpy.context.scene.maquette
    properties.prompt = prompt
    for name, value in settings.items():
        setattr(properties, name, value)
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    return link.current().jobs.newest()


def pump_until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        link.current().pump(0.05)
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def test_the_button_brings_an_object(fake_hub, arrays):
    bpy.context.scene.cursor.location = (1.0, 2.0, 0.0)
    job = press("ball", seed=11, randomise=False)
    link.current().wait(job.id, timeout=20.0)
    assert job.state == "DONE" and job.error is None
    item = bpy.data.objects[job.object_name]
    assert item.name == "Ball" and np.allclose(item.location, (1.0, 2.0, 0.0))
    assert len(item.data.vertices) == len(arrays["vertices"])
    assert item["maquette_seed"] == "11"
    assert job.first_preview is not None and job.previews >= 1
    assert preview.find(job.id) is None and len(bpy.data.objects) == 1
    assert link.current().state is link.State.CONNECTED


def test_the_preview_is_there_before_the_result(fake_hub):
    job = press("ball")
    pump_until(lambda: preview.find(job.id) is not None)
    assert not job.over and job.state == "RUNNING"
    link.current().wait(job.id, timeout=20.0)
    assert [item.name for item in bpy.data.objects] == ["Ball"]


def test_progress_is_told(fake_hub):
    job = press("wait")
    pump_until(lambda: job.fraction > 0.0)
    assert (job.stage, job.fraction, job.seconds_left) == ("coarse", 0.25, 30.0)


def test_cancel_ends_the_job_and_leaves_nothing(fake_hub):
    job = press("wait")
    pump_until(lambda: job.state == "RUNNING")
    assert bpy.ops.maquette.cancel(job=job.id) == {"FINISHED"}
    assert job.state == "CANCEL_REQ"
    link.current().wait(job.id, timeout=20.0)
    assert job.state == "CANCELLED"
    assert len(bpy.data.objects) == 0
    assert not bpy.ops.maquette.cancel.poll()


def test_a_failed_job_tells_what_to_do(fake_hub):
    job = press("fail")
    link.current().wait(job.id, timeout=20.0)
    assert job.state == "FAILED"
    assert job.error.hint == "Try another seed." and isinstance(job.error, wire.errors.EmptySurface)
    assert len(bpy.data.objects) == 0


def test_a_refused_job_tells_why(fake_hub):
    job = press("refuse")
    link.current().wait(job.id, timeout=20.0)
    assert isinstance(job.error, wire.errors.QuotaExceeded)


def test_a_broken_result_fails_and_leaves_nothing(fake_hub):
    job = press("broken")
    link.current().wait(job.id, timeout=20.0)
    assert job.state == "FAILED" and "cut off" in str(job.error)
    assert len(bpy.data.objects) == 0 and len(bpy.data.meshes) == 0 and len(bpy.data.images) == 0


def test_what_the_prior_does_not_know_is_named(fake_hub):
    job = press("unknown")
    link.current().wait(job.id, timeout=20.0)
    assert job.nearest_known == ["mushroom", "lamp"] and len(job.warnings) == 1


def test_several_jobs_at_once(fake_hub):
    jobs = [press(prompt) for prompt in ("ball", "wait", "ball")]
    pump_until(lambda: jobs[0].over and jobs[2].over)
    assert sorted(item.name for item in bpy.data.objects if "preview" not in item.name) == ["Ball", "Ball.001"]
    assert jobs[1].state == "RUNNING"


def test_a_new_seed_each_time_stays_in_the_field(fake_hub):
    seeds = set()
    for _ in range(3):
        job = press("wait", randomise=True)
        assert job.spec.seed == bpy.context.scene.maquette.seed
        seeds.add(job.spec.seed)
    assert len(seeds) == 3


@pytest.mark.parametrize("prompt", ["", "   ", "\t"])
def test_generate_is_greyed_out_without_a_prompt(fake_hub, prompt):
    bpy.context.scene.maquette.prompt = prompt
    assert not bpy.ops.maquette.generate.poll()
    with pytest.raises(RuntimeError):
        bpy.ops.maquette.generate()
    assert len(link.current().jobs) == 0


def test_generate_is_greyed_out_for_a_prompt_of_20000_characters(fake_hub):
    bpy.context.scene.maquette.prompt = "x" * 20_000
    assert not bpy.ops.maquette.generate.poll()
    with pytest.raises(wire.errors.BadRequest) as refused:
        scripting.generate("x" * 20_000)
    assert refused.value.path == "prompt"


def test_a_place_that_means_nothing_is_an_error(fake_hub):
    bpy.context.scene.maquette.prompt = "ball"
    bpy.context.scene.maquette.place = "EMPTY"
    with pytest.raises(RuntimeError, match="selected empty"):
        bpy.ops.maquette.generate()
    assert len(link.current().jobs) == 0


def test_scripting_waits_and_returns_the_object(fake_hub):
    handle = scripting.generate("ball", seed=2**40, name="Prop", place=(0.0, 0.0, 3.0))
    seen = []
    item = handle.wait(timeout=20.0, tick=lambda one: seen.append(one.fraction))
    assert item.name == "Prop" and item.location.z == 3.0
    assert handle.done and handle.report["seed"] == 2**40 and seen
    with pytest.raises(wire.errors.EmptySurface):
        scripting.generate("fail").wait(timeout=20.0)
    waiting = scripting.generate("wait")
    with pytest.raises(wire.errors.TimedOut):
        waiting.wait(timeout=0.2)
    waiting.cancel()
    with pytest.raises(wire.errors.Cancelled):
        waiting.wait(timeout=20.0)


def test_an_undone_preview_does_not_come_back(fake_hub):
    job = press("ball")
    link.current().wait(job.id, timeout=20.0)
    ghost = bpy.data.objects.new("Ball (preview)", bpy.data.meshes.new("Ball (preview)"))  # what an undo brings back
    ghost[preview.JOB_PROPERTY] = job.id
    bpy.context.scene.collection.objects.link(ghost)
    ticking._after_undo_or_load()
    link.current().pump()
    assert [item.name for item in bpy.data.objects] == ["Ball"]


def test_no_python_thread_is_made(fake_hub):
    before = threading.active_count()
    job = press("ball")
    link.current().wait(job.id, timeout=20.0)
    assert threading.active_count() == before


def test_previews_can_be_turned_off(fake_hub, monkeypatch):
    monkeypatch.setattr(preferences._DEFAULTS, "show_preview", False)
    job = press("ball")
    pump_until(lambda: job.previews > 0)
    assert preview.find(job.id) is None
    link.current().wait(job.id, timeout=20.0)
    assert [item.name for item in bpy.data.objects] == ["Ball"]


def test_the_wrong_key_is_told(fake_hub, tmp_path):
    file = tmp_path / "data" / "connection.json"
    file.write_text(file.read_text().replace("ab" * 32, "cd" * 32))
    job = press("ball")
    with pytest.raises(wire.errors.NotAllowed, match="Wrong key"):
        link.current().wait(job.id, timeout=20.0)
    assert link.current().state is link.State.WRONG_KEY
    file.write_text(file.read_text().replace("cd" * 32, "ab" * 32))
    assert bpy.ops.maquette.connect() == {"FINISHED"}  # takes the waiting job up again
    link.current().wait(job.id, timeout=20.0)
    assert job.state == "DONE"


def test_a_hub_that_cannot_start_is_tried_again_and_then_explained(addon, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.exit('there is no backend here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(connection, "START_PAUSE_S", 0.1)
    job = press("ball")
    with pytest.raises(wire.errors.NotConnected, match="there is no backend here"):
        link.current().wait(job.id, timeout=30.0)
    assert link.current().connection._starts == connection.START_TRIES
    assert link.current().state is link.State.PROBLEM and not job.over
