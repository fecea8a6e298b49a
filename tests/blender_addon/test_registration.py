# SPDX-License-Identifier: GPL-3.0-or-later
"""Turning the add-on on and off leaves Blender as it was; where a hub comes from is found or explained."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import addon_utils
import bpy
import pytest

import blender_addon
from blender_addon import addresses, local_hub, preferences, ticking, wire

OPERATORS = (
    "generate", "cancel", "connect", "disconnect", "dice", "forget", "show_result", "pause", "resume", "retry", "reuse",
    "vary", "bring", "delete", "publish", "place_cameras", "install", "paste_pairing", "log",
)


def snapshot() -> tuple:
    handlers = tuple(len(getattr(bpy.app.handlers, name)) for name in ticking.HANDLERS)
    classes = {name for name in dir(bpy.types) if name.startswith("MAQUETTE")}
    return handlers, classes, hasattr(bpy.types.Scene, "maquette"), bpy.app.timers.is_registered(ticking.tick)


def test_register_and_unregister_twenty_times():
    before = snapshot()
    for _ in range(20):
        blender_addon.register()
        for name in OPERATORS:
            assert getattr(bpy.ops.maquette, name).get_rna_type() is not None
        assert bpy.app.timers.is_registered(ticking.tick)
        assert bpy.context.scene.maquette.preset == "draft"
        blender_addon.unregister()
    assert snapshot() == before


def test_enabling_through_blender_gives_preferences():
    module = addon_utils.enable("blender_addon", default_set=True)
    try:
        assert module is not None
        assert isinstance(preferences.settings(), bpy.types.AddonPreferences)
        assert preferences.settings().show_preview is True
    finally:
        addon_utils.disable("blender_addon", default_set=True)


def test_the_timer_says_when_it_wants_to_run_again(addon):
    assert ticking.tick() == ticking.TICK_IDLE_S


def test_manifest_is_accepted_by_blenders_own_tool(capfd):
    tool = Path(bpy.utils.resource_path("LOCAL")) / "scripts" / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    folder = Path(blender_addon.__file__).parent
    done = subprocess.run(
        [sys.executable, str(tool), "validate", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("10.0.0.5:5570", "tcp://10.0.0.5:5570"),
        ("  http://127.0.0.1:8188/ ", "tcp://127.0.0.1:8188"),
        ("tcp://render-1.studio.example:5570", "tcp://render-1.studio.example:5570"),
        ("[::1]:5570", "tcp://[::1]:5570"),
    ],
)
def test_addresses_are_taken_as_people_paste_them(typed, address):
    assert addresses.normalise(typed) == address


@pytest.mark.parametrize("typed", ["", "render-1", "render-1:", "10.0.0.5:0", "10.0.0.5:99999", "a b:5570", "a:5570/x"])
def test_addresses_that_are_none_are_refused_with_the_form(typed):
    with pytest.raises(wire.errors.BadRequest) as refused:
        addresses.normalise(typed)
    assert "host:port" in refused.value.hint


def test_loopback_is_told_from_the_network():
    assert all(addresses.is_loopback(one) for one in ("tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1"))
    assert not any(addresses.is_loopback(one) for one in ("tcp://10.0.0.5:1", "tcp://example.org:1"))


# --- the hub of this machine ------------------------------------------------------------------------------------------


def test_python_of_the_backend_is_found_in_order():
    variables = {local_hub.PYTHON_VARIABLE: sys.executable}
    assert local_hub.find_python(sys.executable, {}, "") == sys.executable
    assert local_hub.find_python("", variables, "") == sys.executable
    assert local_hub.find_python("", {}, "/own/python") == "/own/python"
    with pytest.raises(wire.errors.NotConnected, match="preference Python names"):
        local_hub.find_python("no-such-program", variables, "/own/python")
    with pytest.raises(wire.errors.NotConnected, match="does not know where"):
        local_hub.find_python("", {}, "")


def test_a_hub_that_ends_at_once_is_reported_with_its_last_words(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.exit('there is no backend here')")
    hub = local_hub.LocalHub(sys.executable, tmp_path / "data", {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(wire.errors.NotConnected, match="there is no backend here"):
        for _ in range(1000):
            hub.ready()
            time.sleep(0.01)
    hub.stop()
    assert not hub.alive()


def test_what_scripts_find_is_listed():
    assert set(blender_addon.SCRIPTING) <= set(dir(blender_addon))  # what a console completes
    assert all(callable(getattr(blender_addon, name)) for name in blender_addon.SCRIPTING)
