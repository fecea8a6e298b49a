# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line end to end on the real procedural objects, as small as it gets."""

from __future__ import annotations

from pathlib import Path

import torch
from click.testing import CliRunner

from backend.embedded.training.__main__ import main


def call(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_data_training_resuming_and_export_by_command(tmp_path: Path) -> None:
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    call("dataset", "--data", data, "--size", "32", "--shards", "1", "--objects", "3", "--views", "2", "--captions",
         "2", "--samples", "1", "--device", "cpu")  # fmt: skip
    train = ("pixel", "--data", data, "--run", run, "--size", "tiny", "--batch", "2", "--device", "cpu")
    call(*train, "--steps", "2")
    call(*train, "--steps", "2")
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 4 and state["samples"] == 8 and state["shards"] == ["shard-00000"]
    assert (tmp_path / "data" / "watch" / "notes.json").exists()
    call("export", "pixel", "--run", run, "--data", data, "--to", str(tmp_path / "out"), "--size", "tiny")
    assert (tmp_path / "out" / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size < 3e6
    assert "| samples seen | 8 in 4 steps" in (tmp_path / "out" / "README.md").read_text()


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["pixel", "--data", str(tmp_path), "--run", str(tmp_path / "r"), "--size", "tiny", "--device", "cpu"]
    )
    assert result.exit_code == 2 and "dataset" in result.output
