# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiling ahead leaves nothing to compile, and forgets no module."""

from pathlib import Path

import backend.kernels
from backend.kernels import prepare


def test_everything_is_loaded_afterwards(device):
    prepare.prepare(device)
    assert prepare.prepare(device) < 0.5


def test_no_module_with_kernels_is_forgotten():
    folder = Path(backend.kernels.__file__).parent
    with_kernels = {path.stem for path in folder.glob("*.py") if "@wp.kernel" in path.read_text(encoding="utf-8")}
    assert with_kernels == {module.__name__.rpartition(".")[2] for module in prepare.MODULES}
