# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo in its shortened form: add-on, hub and worker as they are, each a process of its own, from a sentence to
the four files. One run serves all the checks; it is the longest of the suite."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 420.0
"""A shortened run takes about a minute on two free cores; compiling kernels for the first time may double it."""


def demo(*arguments: object, limit: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "blender_addon", *map(str, arguments)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=limit,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("demo")
    done = demo("a red mushroom with white spots", "--short", "--seed", 5, "--size", 0.4, "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def gltf(path: Path) -> tuple[dict, bytes]:
    """The JSON and the binary part of a .glb."""
    data = path.read_bytes()
    assert data[:4] == b"glTF"
    size = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + size]), data[20 + size + 8 :]


@pytest.mark.slow
def test_progress_is_shown_with_time_left(made):
    _, printed = made
    assert " left" in printed and "%" in printed


@pytest.mark.slow
def test_report_tells_how_it_was_made(made):
    report = json.loads((made[0] / "report.json").read_text())
    assert report["seed"] == 5 and report["preset"] == "draft" and report["prior"]
    assert report["versions"] and report["stages"]
    assert all(stage["seconds"] >= 0.0 and stage["peak_memory_bytes"] > 0 for stage in report["stages"])
    run = report["demo"]
    assert run["first_preview_seconds"] <= run["seconds"]["in_the_scene"]
    assert 0 < run["peak_memory_bytes_all_processes"] <= 5e9
    assert max(run["object"]["dimensions_metres"]) == pytest.approx(0.4, rel=0.02)


@pytest.mark.slow
def test_model_is_a_textured_mesh(made):
    model, binary = gltf(made[0] / "model.glb")
    assert len(model["meshes"]) == 1 and len(model["images"]) == 1
    primitive = model["meshes"][0]["primitives"][0]
    assert {"POSITION", "NORMAL", "TEXCOORD_0"} <= set(primitive["attributes"])
    material = model["materials"][primitive["material"]]
    assert "baseColorTexture" in material["pbrMetallicRoughness"]
    low = model["accessors"][primitive["attributes"]["POSITION"]]["min"]
    assert low[1] == pytest.approx(0.0, abs=1e-3)  # glTF is Y up: the base stands on the ground
    view = model["bufferViews"][model["images"][0]["bufferView"]]
    assert binary[view["byteOffset"] :][:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")


@pytest.mark.slow
def test_scene_can_be_opened_again(made):
    look = (
        "import bpy, os; bpy.ops.wm.open_mainfile(filepath=os.environ['SCENE']);"
        "o = next(o for o in bpy.data.objects if o.type == 'MESH');"
        "print('FOUND', o.name, len(bpy.data.objects), o.data.validate(), bpy.data.images[0].packed_file is not None,"
        " o['maquette_seed'], o.data.materials[0].node_tree is not None, flush=True); os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], env=os.environ | {"SCENE": str(made[0] / "scene.blend")},
        capture_output=True, text=True, timeout=120,
    )
    found = next(line for line in done.stdout.splitlines() if line.startswith("FOUND"))
    assert found == "FOUND Red mushroom with white spots 1 False True 5 True"


@pytest.mark.slow
def test_contact_sheet_shows_something(made):
    from PIL import Image

    sheet = np.asarray(Image.open(made[0] / "preview.png").convert("RGB"), dtype=np.float32)
    assert sheet.shape == (160, 640, 3)
    for view in np.split(sheet, 4, axis=1):
        assert np.abs(view[40:120, 40:120] - view[2, 2]).max() > 25.0, "a view is empty"


@pytest.mark.slow
def test_nothing_is_left_running(made):
    left = [
        process.info["cmdline"] for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] and "backend.cli" in process.info["cmdline"]
        and "maquette-demo-" in " ".join(process.info["cmdline"])
    ]
    assert left == []


def test_a_prompt_that_is_empty_is_refused_at_once(tmp_path):
    done = demo("   ", "--out", tmp_path, limit=60.0)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and done.stderr.strip()


def test_a_preset_that_does_not_exist_is_refused_at_once(tmp_path):
    done = demo("a red ball", "--preset", "no-such", "--out", tmp_path, limit=60.0)
    assert done.returncode == 2 and "draft" in done.stderr
