# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast each kernel and stage is, beside what one would otherwise use, as ratios in one run.

    python tests/benchmarks/speed.py --out out/speed [--only hash march ...] [--repeats 5] [--draft]

Contestants run interleaved on the same input, the same device and the same number of threads; medians are compared.
The exit status is 1 when a bar of the speed table is missed. `--draft` adds the seconds of each stage of a whole draft,
from the recipe's own report.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import torch

from tests.benchmarks import contests, kernels
from tests.benchmarks.timing import Race, seconds_text, table

CONTESTS: dict[str, Callable[[int], list[Race]]] = {
    "hash": kernels.hash_grid,
    "tetrahedra": contests.tetrahedra,
    "cubes": contests.marching_cubes,
    "volume": contests.volume,
    "raster": contests.raster,
    "rays": contests.rays,
    "simplify": contests.simplifying,
    "unwrap": contests.unwrapping,
    "objects": contests.objects,
}


def draft_stages(prompt: str, preset: str, seed: int) -> dict[str, Any]:
    """Seconds and peak memory of each stage of one job, as its report tells them."""
    from backend.jobs import TerminalContext, run
    from protocol.specs import TextTo3DSpec

    with TemporaryDirectory() as folder:
        result = run(TextTo3DSpec(prompt=prompt, preset=preset, seed=seed), TerminalContext(Path(folder)))
    return {"prompt": prompt, "preset": preset, "seed": seed, "stages": result.report["stages"]}


def stage_table(draft: dict[str, Any]) -> str:
    """The stages of a job as a markdown table."""
    lines = [f"`{draft['prompt']}`, preset {draft['preset']}", "", "| stage | seconds | peak memory |", "|---|---|---|"]
    for stage in draft["stages"]:
        memory = stage["peak_memory_bytes"] / 2**30
        lines.append(f"| {stage['name']} | {seconds_text(stage['seconds'])} | {memory:.2f} GiB |")
    total = sum(stage["seconds"] for stage in draft["stages"])
    return "\n".join([*lines, f"| together | {seconds_text(total)} | |"]) + "\n"


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for speed.json and speed.md")
    parser.add_argument("--only", nargs="*", choices=sorted(CONTESTS), help="these contests only")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 leaves torch's own choice")
    parser.add_argument("--draft", action="store_true", help="time a whole draft, stage by stage")
    parser.add_argument("--prompt", default="a red mushroom with white spots")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    chosen = options(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    races: list[Race] = []
    for name in CONTESTS if chosen.only is None else chosen.only:
        races += CONTESTS[name](chosen.repeats)
        say(f"{name} done")
    text = table(races)
    report: dict[str, Any] = {
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__},
        "races": [race.to_map() for race in races],
    }
    if chosen.draft:
        report["draft"] = draft_stages(chosen.prompt, chosen.preset, chosen.seed)
        text += "\n" + stage_table(report["draft"])
    say(text)
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "speed.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        (chosen.out / "speed.md").write_text(text, encoding="utf-8")
    return 0 if all(race.met for race in races) else 1


if __name__ == "__main__":
    sys.exit(main())
