# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's gallery: prompts made end to end with the default settings, nothing picked or touched up.

    python tests/benchmarks/gallery.py --out docs/gallery.png [--seed 7] [--keep out/gallery] "PROMPT" ["PROMPT" ...]

Each prompt is one run of the real recipe; a cell shows it from two sides. With --keep, finished results are kept and
used again, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import numpy as np

from backend.jobs import TerminalContext
from backend.jobs import run as run_job
from protocol.specs import TextTo3DSpec
from tests.benchmarks import sheets
from tests.benchmarks.judging import cameras, headlight
from tests.benchmarks.subjects import from_result, pictures

AZIMUTHS = (25.0, 160.0)
ELEVATION = 18.0
PIXELS = 144
NEEDED = ("vertices", "faces", "uvs", "base_colour")


def result_arrays(prompt: str, seed: int, folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a finished job, made now or kept from before."""
    kept = folder / (re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-") + f"-{seed}.npz")
    if not kept.is_file():
        print(f"making {prompt}", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            made = run_job(TextTo3DSpec(prompt, seed=seed), TerminalContext(Path(scratch), cache=CACHE))
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(kept, **{name: made.arrays[name] for name in NEEDED})
    with np.load(kept) as stored:
        return {name: stored[name] for name in NEEDED}


CACHE: dict[str, object] = {}
"""Priors stay loaded from one prompt to the next."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.keep or Path(scratch)
        strips = []
        for prompt in chosen.prompts:
            subject = from_result(result_arrays(prompt, chosen.seed, folder))
            seen = pictures(subject, cameras(AZIMUTHS, ELEVATION, PIXELS), headlight(AZIMUTHS))
            strips.append(sheets.strip(seen))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    sheets.sheet(strips, chosen.prompts).save(chosen.out, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
