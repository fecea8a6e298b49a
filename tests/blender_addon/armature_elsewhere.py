# SPDX-License-Identifier: GPL-3.0-or-later
"""The armature's distances in whatever Blender runs this, as a line of JSON: `python -m ...armature_elsewhere`."""

from __future__ import annotations

import json
import os
import sys
import types

import bpy

# An environment with nothing but Blender has no pytest; what the tests decorate is not run here.
if "pytest" not in sys.modules:
    stand_in = types.ModuleType("pytest")
    stand_in.mark = types.SimpleNamespace(parametrize=lambda *a, **k: lambda test: test)  # type: ignore[attr-defined]
    stand_in.fixture = lambda *a, **k: lambda test: test  # type: ignore[attr-defined]
    sys.modules["pytest"] = stand_in

from tests.blender_addon.test_armature import worst  # noqa: E402

bpy.ops.wm.read_factory_settings(use_empty=True)
print(json.dumps({"version": bpy.app.version_string, "distances": worst()}), flush=True)
os._exit(0)
