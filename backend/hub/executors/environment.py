# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stand in a worker's environment before torch is imported: its device, its threads."""

from __future__ import annotations

import os
from collections.abc import Mapping

import psutil

FRESH_PROCESS = 75  # exit code of a worker that wants to be replaced at once: it did its share, or ran out of memory
CPU = "cpu"


def worker_environment(environ: Mapping[str, str], device: str = "", share: int = 1) -> dict[str, str]:
    """The environment of a worker for one device.

    device: a CUDA UUID, "cpu" to hide every GPU, or empty to leave the choice as it is. share: workers that divide the
    physical cores among them, unless the number of threads was already said. Waiting threads sleep.
    """
    result = dict(environ)
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    result.setdefault("OMP_NUM_THREADS", str(max(1, cores // max(1, share))))
    result.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    result["PYTHONUNBUFFERED"] = "1"
    if device:
        result["CUDA_VISIBLE_DEVICES"] = "" if device == CPU else device
    return result
