# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting Warp: silently, and without touching standard error for good."""

import subprocess
import sys


def test_importing_kernels_prints_nothing_and_keeps_stderr():
    code = "import sys, backend.kernels.runtime; print('still here', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == ""
    assert done.stderr == "still here\n"
