# SPDX-License-Identifier: GPL-3.0-or-later
"""The speed benchmark's inputs are what their names say, and its command writes what it promises."""

from __future__ import annotations

import json

import torch

from backend.geometry.health import check
from tests.benchmarks import contests, speed

torch.set_num_threads(1)


def test_the_mesh_of_the_contests_is_closed_and_has_its_faces():
    vertices, faces = contests.bumpy_mesh(1500)
    found = check(vertices, faces)
    assert found.closed and found.manifold and 1400 <= len(faces) <= 1510


def test_the_command_writes_tables_and_says_whether_bars_are_met(tmp_path):
    said: list[str] = []
    code = speed.main(["--only", "raster", "--repeats", "1", "--out", str(tmp_path)], said.append)
    report = json.loads((tmp_path / "speed.json").read_text())
    assert code == 0 and report["races"][0]["ratios"]["pure torch"] > 1.0
    assert "pure torch" in (tmp_path / "speed.md").read_text() and any("| work |" in text for text in said)


def test_stages_of_a_job_become_a_table():
    stages = [
        {"name": "coarse", "seconds": 61.0, "peak_memory_bytes": 2**30},
        {"name": "fine", "seconds": 30.5, "peak_memory_bytes": 2**31},
    ]
    text = speed.stage_table({"prompt": "a red mug", "preset": "draft", "stages": stages})
    assert "| fine | 30.5 s | 2.00 GiB |" in text and "| together | 91.5 s | |" in text
