# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: one thread for small tensors, and a clean end of a process that has loaded Blender."""

from __future__ import annotations

import os
import sys

import pytest

# Small tensors are faster on one thread, and tests of several rooms may run side by side. Set before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_status = 0


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """bpy 4.2 crashes and 4.5 hangs when the interpreter ends with a timer registered; leave without that end."""
    if "bpy" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)
