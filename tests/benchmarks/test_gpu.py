# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that measures a GPU's bars, on a few pixels of a CPU: every part runs, and what is written is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backend.jobs import presets
from tests.benchmarks import gpu

torch.set_num_threads(1)


def test_all_parts_run_and_write_what_they_found(tmp_path: Path, capsys) -> None:
    arguments = ["--out", str(tmp_path), "--tiny", "--device", "cpu", "--here", "--repeats", "1"]
    assert gpu.main(arguments) in (0, 1)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert list(found) == list(gpu.PARTS)
    rows = {row["what"]: row for part in found.values() for row in part}
    for name in ("standard minutes", "paper minutes"):
        assert rows[name]["value"] > 0 and rows[name]["bar"] == gpu.BARS[name]
    assert 0 < rows["standard, coarse: outside the prior"]["value"] < 1
    assert "| wall | paper minutes |" in (tmp_path / "gpu.md").read_text()
    assert "prior: network" in capsys.readouterr().out


def test_a_part_that_takes_too_long_is_stopped_and_said_to_have_given_nothing(tmp_path: Path, capfd) -> None:
    arguments = ["--out", str(tmp_path), "--tiny", "--device", "cpu", "--only", "floor", "--minutes", "0.001"]
    assert gpu.main(arguments) == 1
    assert "floor gave nothing" in capfd.readouterr().out


def test_a_step_costs_the_difference_of_two_jobs_and_the_rest_what_it_took() -> None:
    preset = presets.STANDARD
    short = {"read the prompt": 5.0, "coarse": 10.0, "fine": 20.0, "finish": 7.0}
    long = {"read the prompt": 1.0, "coarse": 15.0, "fine": 40.0, "finish": 8.0}
    total, parts = gpu.extrapolated(preset, short, long, 25, 75)
    assert parts["coarse"] == pytest.approx(15 + (preset.coarse.steps - 75) * 0.1)
    assert parts["fine"] == pytest.approx(40 + (preset.fine.steps - 75) * 0.4)
    assert parts["finish"] == 8.0 and total == pytest.approx(sum(parts.values()))


def test_a_bar_is_met_from_the_right_side() -> None:
    assert gpu.Line("peak", 7.9, "GB", 8.0).met and not gpu.Line("peak", 8.1, "GB", 8.0).met
    assert gpu.Line("speed", 5.0, "x", 5.0, least=True).met and not gpu.Line("speed", 4.9, "x", 5.0, least=True).met
    assert gpu.Line("anything", 1.0, "s").met
