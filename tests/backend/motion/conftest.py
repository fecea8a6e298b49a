# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure that most tests of motion move."""

from __future__ import annotations

import pytest

from backend.motion.figure import Figure
from tests.backend.motion.skeletons import human


@pytest.fixture(scope="session")
def figure() -> Figure:
    return Figure.of(human())
