# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzz tests use the studio in virtual time of the fault tests."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "faults")]
