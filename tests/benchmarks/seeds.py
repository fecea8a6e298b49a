# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred runs with a hundred seeds: no value that is not a number, nothing empty, every mesh closed.

    python tests/benchmarks/seeds.py --out out/seeds [--runs 100] [--effort 1.0] [--threads 1]

Each run takes the next of ten prompts and the next seed. What is done stays in `runs.jsonl`, so that a run that was
stopped goes on. The exit status is 1 when anything was empty, broken or not finite, or had to be recovered in vain.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import numpy as np
import torch

from backend.geometry.health import check
from backend.jobs import run
from backend.jobs.context import TerminalContext
from protocol.errors import MaquetteError
from protocol.specs import TextTo3DSpec

PROMPTS = (
    "a red mushroom with white spots", "a blue chair", "a green cactus in a brown pot", "a yellow duck",
    "a wooden table", "a purple teapot", "a grey castle", "an orange car", "a white snowman", "a pink cake",
)


def one_run(number: int, effort: float, cache: dict[str, Any]) -> dict[str, Any]:
    """What became of run `number`, as plain values."""
    prompt = PROMPTS[number % len(PROMPTS)]
    began = time.monotonic()
    found: dict[str, Any] = {"run": number, "seed": number, "prompt": prompt, "effort": effort}
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = run(TextTo3DSpec(prompt, seed=number, effort=effort, texture_size=256),
                         TerminalContext(Path(folder), cache=cache))
        except MaquetteError as problem:
            return {**found, "error": f"{problem.code}: {problem.message}", "seconds": time.monotonic() - began}
    vertices, faces = result.arrays["vertices"], result.arrays["faces"]
    health = check(vertices, faces)
    return {
        **found, "seconds": time.monotonic() - began, "faces": len(faces), "sound": bool(health.sound),
        "finite": all(bool(np.isfinite(one).all()) for one in result.arrays.values() if one.dtype.kind == "f"),
        "recoveries": result.report["scores"]["recoveries"],
    }


def failures(runs: Sequence[dict[str, Any]]) -> list[str]:
    """One line for each run that is not as it should be."""
    lines = []
    for one in runs:
        if "error" in one:
            lines.append(f"run {one['run']} ({one['prompt']}): {one['error']}")
        elif not one["finite"] or not one["sound"] or not one["faces"]:
            lines.append(f"run {one['run']} ({one['prompt']}): finite {one['finite']}, sound {one['sound']}, "
                         f"{one['faces']} faces")
    return lines


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--effort", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    log = options.out / "runs.jsonl"
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {one["run"] for one in runs if one["effort"] == options.effort}
    cache: dict[str, Any] = {}
    with log.open("a") as file:
        for number in range(options.runs):
            if number in done:
                continue
            one = one_run(number, options.effort, cache)
            file.write(json.dumps(one) + "\n")
            file.flush()
            runs.append(one)
            print(f"{number + 1} of {options.runs}: {one}", flush=True)
    runs = [one for one in runs if one["effort"] == options.effort and one["run"] < options.runs]
    broken = failures(runs)
    recovered = sum(one.get("recoveries", 0) for one in runs)
    print("\n".join([*broken, f"{len(runs)} runs at effort {options.effort:g}: {len(broken)} broken, "
                              f"{recovered} recoveries, {sum(one['seconds'] for one in runs):.0f} s"]))
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
