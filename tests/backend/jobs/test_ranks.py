# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ranks are one: the gradients of views split over two processes are those of one process, in both stages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from backend.distillation.ranks import ALONE

from . import rank_steps

ROOT = Path(__file__).resolve().parents[3]
TOLERANCE = 1e-5  # of the largest entry


def test_gradients_of_two_ranks_are_those_of_one(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    program = str(Path(rank_steps.__file__))
    outputs = [tmp_path / f"{rank}.pt" for rank in range(2)]
    processes = [
        subprocess.Popen([sys.executable, program, str(tmp_path / "meeting"), str(rank), "2", str(output)],
                         env=environment, cwd=ROOT)
        for rank, output in enumerate(outputs)
    ]
    try:
        alone = rank_steps.gradients(ALONE)
        assert [one.wait(300) for one in processes] == [0, 0]
    finally:
        for one in processes:
            one.kill()
    first, second = (torch.load(output, weights_only=True) for output in outputs)
    assert set(first) == set(second) == set(alone) and len(alone) > 10
    for name, expected in alone.items():
        size = float(expected.abs().max())
        assert size > 0, name
        assert torch.equal(first[name], second[name]), f"{name}: the ranks went apart"
        error = float((first[name] - expected).abs().max()) / size
        print(f"{name}: largest entry {size:.3g}, two ranks differ by {error:.2g} of it")
        if "later" not in name:  # Adam turns rounding errors of tiny gradients into whole steps
            assert error <= TOLERANCE, f"{name}: {error:.2g}"
        else:
            assert float((first[name] - expected).abs().mean()) / size <= 1e-3, name
