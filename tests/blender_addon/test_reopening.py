# SPDX-License-Identifier: GPL-3.0-or-later
"""Files closed, Blender closed, undo, edit mode: a result always finds its own file, or waits in the history."""

from __future__ import annotations

import time

import bpy
import numpy as np
import pytest

import blender_addon
from blender_addon import compat, filemark, history, link, preferences, scripting, ticking, wire
from blender_addon.apply import preview


def pump_until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        link.current().pump(0.05)
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def reopen() -> None:
    """Blender is closed and opened again."""
    blender_addon.unregister()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_addon.register()


def test_a_job_is_written_down_before_it_is_sent(addon, monkeypatch):
    seen = []

    class Wire:
        state, problem, hub = wire.updates.ConnectionState.CONNECTING, None, ""

        def submit(self, spec, inputs, job):
            seen.append(job)
            raise RuntimeError("Blender ends here")

        def close(self):
            pass

    link.current().connection.client = Wire()
    with pytest.raises(RuntimeError):
        scripting.generate("ball")
    assert len(seen) == 1 and link.current().history.get(seen[0]) is not None


def test_the_next_blender_takes_the_running_job_up_and_its_result_lands_in_its_file(fake_hub, tmp_path):
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    handle = scripting.generate("slow ball", seed=5, place=(1.0, 2.0, 3.0))
    pump_until(lambda: link.current().jobs.get(handle.id).state == "RUNNING")
    bpy.ops.wm.save_mainfile()
    reopen()
    assert len(link.current().jobs) == 0
    bpy.ops.wm.open_mainfile(filepath=path)
    assert [one.id for one in scripting.take_up()] == [handle.id]
    job = link.current().jobs.get(handle.id)
    assert (job.prompt, job.spec.seed, job.file) == ("slow ball", 5, filemark.current())
    link.current().wait(handle.id, timeout=20.0)
    assert job.state == "DONE" and np.allclose(bpy.data.objects["Slow ball"].location, (1.0, 2.0, 3.0))
    reopen()
    assert scripting.take_up() == []  # it has ended


def test_a_result_never_lands_in_another_file_and_can_be_brought_back(fake_hub, tmp_path):
    handle = scripting.generate("slow ball")
    job = link.current().jobs.get(handle.id)
    pump_until(lambda: preview.find(handle.id) is not None)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)  # File, New
    link.current().wait(handle.id, timeout=20.0)
    assert job.state == "KEPT" and len(bpy.data.objects) == 0
    assert link.current().history.get(handle.id).state == "KEPT"
    assert bpy.ops.maquette.bring(job=handle.id) == {"FINISHED"}
    assert [item.name for item in bpy.data.objects] == ["Slow ball"]
    assert link.current().history.get(handle.id).state == "DONE"


def test_its_own_file_opened_again_is_known(fake_hub, tmp_path):
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    mark = filemark.current()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    other = filemark.current()
    assert other != mark
    bpy.ops.wm.open_mainfile(filepath=path)
    assert filemark.current() == mark
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert filemark.current() not in (mark, other)


def test_a_result_comes_back_without_the_hub_and_from_it_when_no_copy_is_kept(fake_hub):
    handle = scripting.generate("ball", seed=3)
    first = handle.wait(timeout=20.0)
    link.current().results.finish()
    bpy.data.objects.remove(first)
    link.current().disconnect()
    again = scripting.bring(handle.id, (0.0, 0.0, 5.0))
    assert again.done and bpy.data.objects[again.object_name].location.z == 5.0
    assert link.current().state is link.State.OFF

    bpy.data.objects.remove(bpy.data.objects[again.object_name])
    link.current().results.drop(handle.id)
    from_hub = scripting.bring(handle.id)
    assert not from_hub.done
    assert from_hub.wait(timeout=20.0).name == "Ball"
    assert link.current().history.get(handle.id).seed == 3


def test_vary_and_again(fake_hub):
    handle = scripting.generate("ball", seed=3)
    handle.wait(timeout=20.0)
    assert bpy.ops.maquette.vary(job=handle.id) == {"FINISHED"}
    varied = link.current().jobs.newest()
    assert varied.id != handle.id and varied.spec.seed != 3 and varied.prompt == "ball"
    same = scripting.again(handle.id)
    assert link.current().jobs.get(same.id).spec.seed == 3
    for one in (varied.id, same.id):
        link.current().wait(one, timeout=20.0)
    assert len(bpy.data.objects) == 3


def test_settings_come_back_into_the_panel(fake_hub):
    properties = bpy.context.scene.maquette
    handle = scripting.generate("ball", seed=77, size_metres=2.5, effort=0.5, negative_prompt="dull", name="Prop")
    handle.wait(timeout=20.0)
    properties.prompt_text = bpy.data.texts.new("long prompt")
    assert bpy.ops.maquette.reuse(job=handle.id) == {"FINISHED"}
    assert properties.prompt_text is None
    assert (properties.prompt, properties.seed, properties.randomise) == ("ball", 77, False)
    assert (properties.size_metres, properties.effort, properties.negative_prompt) == (2.5, 0.5, "dull")
    assert (properties.object_name, properties.preset, properties.texture_size) == ("Prop", "draft", "0")


def test_deleting_leaves_nothing_on_disk(fake_hub, tmp_path):
    handle = scripting.generate("ball")
    handle.wait(timeout=20.0)
    link.current().results.finish()
    assert bpy.ops.maquette.delete(job=handle.id) == {"FINISHED"}
    assert len(link.current().history) == 0 and len(link.current().jobs) == 0
    left = [path for path in (tmp_path / "user" / "history").rglob("*") if path.is_file()]
    assert left == []


def test_a_result_waits_until_hands_are_free(fake_hub, monkeypatch):
    busy = [True]
    monkeypatch.setattr(compat, "hands_full", lambda: busy[0])
    handle = scripting.generate("ball")
    job = link.current().jobs.get(handle.id)
    pump_until(lambda: job.state == "HELD")
    assert len(bpy.data.objects) == 0 and not handle.done
    busy[0] = False
    pump_until(lambda: job.over)
    assert job.state == "DONE" and len(bpy.data.objects) == 1


def test_a_held_result_can_be_cancelled(fake_hub, monkeypatch):
    monkeypatch.setattr(compat, "hands_full", lambda: True)
    handle = scripting.generate("ball")
    pump_until(lambda: link.current().jobs.get(handle.id).state == "HELD")
    handle.cancel()
    assert link.current().jobs.get(handle.id).state == "CANCELLED"


def test_a_preview_that_was_deleted_stays_away_but_one_lost_to_an_undo_comes_back(fake_hub):
    handle = scripting.generate("wait")
    job = link.current().jobs.get(handle.id)
    pump_until(lambda: job.state == "RUNNING" and job.fraction > 0.0)
    update = wire.updates.PreviewMesh(
        handle.id, np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32), np.full((3, 4), 255, np.uint8)
    )
    link.current()._handle(update)
    assert preview.find(handle.id) is not None
    preview.remove(handle.id)
    link.current()._handle(update)
    assert preview.find(handle.id) is None
    ticking._after_undo_or_load()
    link.current()._handle(update)
    assert preview.find(handle.id) is not None


def test_a_record_of_a_kind_that_is_not_known_is_closed_not_raised(fake_hub):
    strange = history.Record("d" * 32, "hologram", {}, "a hologram", created=1.0)
    link.current().history.put(strange)
    assert scripting.take_up() == []
    assert link.current().history.get("d" * 32).state == "FAILED"


def test_the_place_in_the_queue_is_shown(fake_hub):
    handle = scripting.generate("queued")
    job = link.current().jobs.get(handle.id)
    pump_until(lambda: job.position is not None)
    assert job.position == 4 and job.state == "QUEUED"
    handle.cancel()
    pump_until(lambda: job.over)


def test_pictures_of_a_running_job_are_kept(fake_hub):
    handle = scripting.generate("wait")
    job = link.current().jobs.get(handle.id)
    pump_until(lambda: job.pictures > 0)
    assert link.current().history.picture(handle.id).read_bytes().startswith(b"\x89PNG")


def test_a_dropped_picture_brings_its_prompt_back(fake_hub, tmp_path, make_png):
    handle = scripting.generate("wait", seed=21, effort=0.5)
    job = link.current().jobs.get(handle.id)
    pump_until(lambda: job.pictures > 0)
    handle.cancel()
    path = tmp_path / "dropped.png"
    path.write_bytes(link.current().history.picture(handle.id).read_bytes())
    properties = bpy.context.scene.maquette
    assert bpy.ops.maquette.take_picture(filepath=str(path)) == {"FINISHED"}
    assert (properties.prompt, properties.seed, properties.effort) == ("wait", 21, 0.5)
    path.write_bytes(make_png(np.zeros((2, 2, 3), np.uint8)))
    assert bpy.ops.maquette.take_picture(filepath=str(path)) == {"FINISHED"}  # it carries nothing: a style, then
    assert properties.picture.size[0] == 2 and properties.prompt == "wait"
    properties.kind = "remove"
    assert bpy.ops.maquette.take_picture(filepath=str(path)) == {"CANCELLED"}  # says that it carries nothing
    assert bpy.types.MAQUETTE_FH_picture.bl_import_operator == "maquette.take_picture"


@pytest.mark.parametrize("moment", ["pressed", "connected", "running", "preview", "fetching", "done"])
def test_blender_may_end_at_any_moment_of_a_job(fake_hub, moment):
    handle = scripting.generate("slow ball")
    job = link.current().jobs.get(handle.id)
    reached = {
        "pressed": lambda: True, "connected": lambda: link.current().state is link.State.CONNECTED,
        "running": lambda: job.state == "RUNNING", "preview": lambda: preview.find(job.id) is not None,
        "fetching": lambda: job.state == "SUCCEEDED" or job.over, "done": lambda: job.over,
    }[moment]
    pump_until(reached)
    begin = time.monotonic()
    reopen()
    assert time.monotonic() - begin < 5.0
    record = link.current().history.get(handle.id)
    assert record is not None and (not record.open or record.owner == 0)
    taken = scripting.take_up()
    assert [one.id for one in taken] == ([handle.id] if record.open else [])
    if taken:
        link.current().wait(handle.id, timeout=20.0)
        assert link.current().history.get(handle.id).state == "KEPT"  # its file was never saved, so it is gone
        assert scripting.bring(handle.id).wait(timeout=20.0).name == "Slow ball"


def test_jobs_of_another_hub_rest_until_it_is_connected_again(fake_hub, monkeypatch):
    handle = scripting.generate("wait", seed=1)
    pump_until(lambda: link.current().jobs.get(handle.id).state == "RUNNING")
    monkeypatch.setattr(preferences._DEFAULTS, "address", "127.0.0.1:9")
    link.current().disconnect()
    link.current().connect()
    link.current().pump(0.05)
    assert link.current().jobs.get(handle.id) is None and link.current().history.get(handle.id).open
    monkeypatch.setattr(preferences._DEFAULTS, "address", "")
    link.current().disconnect()
    link.current().connect()
    pump_until(lambda: link.current().jobs.get(handle.id).state == "RUNNING")
    handle.cancel()
    pump_until(lambda: handle.done)
