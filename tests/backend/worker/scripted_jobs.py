# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe for tests that does what its prompt says: `steps=20 delay=0.05 vertices=1000 crash_until=2`.

The worker loads it in place of the real recipes when MAQUETTE_JOBS_MODULE names it.

steps, delay: so many steps of so many seconds. vertices: size of the mesh. crash_until=N: the process kills itself
half-way in the first N attempts. raise=NAME: end with that error. warn=TEXT: a warning. checkpoint=1: go on from
the last step (with every=N: kept every N steps only). sleep=S: one long call that does not look at cancel. deaf=1:
nor at signals.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import numpy as np

from backend.worker.pictures import png_bytes
from protocol.errors import EmptySurface


@dataclass
class MeshResult:
    arrays: dict
    report: dict


def mesh(count: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "vertices": rng.random((count, 3), np.float32),
        "faces": rng.integers(0, count, (2 * count, 3), np.int32),
    }


def run(spec, context):
    options = dict(word.split("=", 1) for word in spec.prompt.split() if "=" in word)
    steps, delay = int(options.get("steps", 5)), float(options.get("delay", 0.01))
    count = int(options.get("vertices", 50))
    attempts = context.folder / "attempts.txt"
    with attempts.open("a") as file:
        file.write("x")
    attempt = len(attempts.read_text())
    begin = 0
    if options.get("checkpoint"):
        saved = context.folder / "checkpoint.pt"  # without torch, which takes seconds to import
        begin = int(saved.read_text()) if saved.exists() else 0
    every = int(options.get("every", 1))
    arrays = mesh(count, spec.seed or 0)
    picture = np.frombuffer(png_bytes(np.full((4, 4, 3), 200, np.uint8)), np.uint8)
    for number in range(begin, steps):
        context.check()
        context.progress("walking", number / steps, f"step {number}", (steps - number) * delay)
        if number % 5 == 1:
            colours = np.full((count, 4), 255, np.uint8)
            context.preview_mesh(arrays["vertices"], arrays["faces"], colours)
            context.preview_image(np.zeros((8, 8, 3), np.uint8))
        if options.get("checkpoint") and number % every == 0:
            # Renamed into place, as the real one is: a kill between opening and writing would leave an empty file.
            partial = saved.with_suffix(".partial")
            partial.write_text(str(number))
            partial.replace(saved)
            context.keep_checkpoint()
        if number == steps // 2:
            if attempt <= int(options.get("crash_until", 0)):
                os.kill(os.getpid(), signal.SIGKILL)
            if "warn" in options:
                context.warn(options["warn"])
            if "deaf" in options:
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            if "sleep" in options:
                time.sleep(float(options["sleep"]))
            if options.get("raise") == "EmptySurface":
                raise EmptySurface("Nothing is there.", hint="Lower the threshold.", stage="carry over")
            if options.get("raise") == "Defect":
                raise ZeroDivisionError("a secret detail")
            if options.get("raise") == "Memory":
                raise MemoryError
        time.sleep(delay)
    corners = np.zeros((3 * len(arrays["faces"]), 2), np.float32)
    arrays = {**arrays, "uvs": corners, "normals": arrays["vertices"], "base_colour": picture, "thumbnail": picture}
    report = {"seed": spec.seed, "attempt": attempt, "begin": begin, "pid": os.getpid(), "odd": np.float32("nan")}
    return MeshResult(arrays, report)
