# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the words arrive on meshes that no prior has seen? Twenty prompts on ten meshes, for the judge and for people.

    python tests/benchmarks/texturing_words.py --out out/words [--only 3 7] [--preset draft] [--prior FOLDER]

Each prompt names a colour and a pattern; patterned ones are combinations that training on shapes of no kind held out.
The trained scorer reads colour and pattern off the finished textures and looks for each prompt among the twenty.
`blind-1.png` is for an observer who names them unaided (shuffled, numbers only; the answers are in `key-1.txt`),
`sheet-1.png` has captions. The scorer is no observer: its count is a guide, not the bar.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import numpy as np
import torch
from PIL import Image

from backend.embedded.scorer.scorer import Scorer
from backend.embedded.scorer.stock import MATERIAL
from backend.geometry.mesh import Mesh
from backend.geometry.unwrap import unwrap
from backend.jobs import TerminalContext, run
from protocol.specs import TextureSpec
from tests.benchmarks import sheets, unseen_meshes
from tests.benchmarks.judging import judge_pictures, sheet_pictures
from tests.benchmarks.subjects import Subject, from_result

TEXTURE = 1024
BAR = 17  # of twenty, for an observer


@dataclass(frozen=True)
class Words:
    """What is asked of one mesh. `place`: which of the ten. colour: "" where the material brings its own."""

    place: int
    prompt: str  # {} is the mesh's name
    colour: str
    pattern: str


ASKED = (
    Words(0, "a purple striped {}", "purple", "striped"),
    Words(1, "a rusty white {}", "white", "rusty"),
    Words(2, "a mossy turquoise {}", "turquoise", "mossy"),
    Words(3, "an orange spotted {}", "orange", "dotted"),
    Words(4, "a yellow checked {}", "yellow", "checkered"),
    Words(5, "a stone {}", "", "stone"),
    Words(6, "a light blue {}", "light blue", "plain"),
    Words(7, "a pink {} with white spots", "pink", "dotted"),
    Words(8, "a green striped {}", "green", "striped"),
    Words(9, "a blue {}", "blue", "plain"),
    Words(0, "a marble {}", "", "marble"),
    Words(1, "a red {}", "red", "plain"),
    Words(2, "a golden {}", "", "golden"),
    Words(3, "a wooden {}", "", "wooden"),
    Words(4, "a purple {} with white stripes", "purple", "striped"),
    Words(5, "a yellow checked {}", "yellow", "checkered"),
    Words(6, "a dark green checked {}", "dark green", "checkered"),
    Words(7, "a wooden {}", "", "wooden"),
    Words(8, "a brick {}", "", "brick"),
    Words(9, "an orange {} with white spots", "orange", "dotted"),
)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/words"))
    parser.add_argument("--only", type=int, nargs="*", help="numbers of prompts, from 1")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--prior", default="", help="as the setting `prior` of a job")
    parser.add_argument("--size", type=int, default=TEXTURE, help="texels along a side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(arguments)


def paint(words: Words, name: str, mesh: Mesh, chosen: argparse.Namespace, folder: Path,
          cache: dict[str, Any]) -> tuple[Subject, dict[str, Any]]:
    """The painted mesh and its job's report; `cache` keeps priors between jobs as a worker does."""
    assert mesh.uvs is not None
    inputs = {"vertices": mesh.vertices, "faces": mesh.faces, "uvs": mesh.uvs}
    spec = TextureSpec(words.prompt.format(name), preset=chosen.preset, prior=chosen.prior, seed=chosen.seed,
                       texture_size=chosen.size)
    began = time.perf_counter()
    result = run(spec, TerminalContext(folder, inputs=inputs, cache=cache))
    arrays = {**inputs, **result.arrays}
    return from_result(arrays), {**result.report, "seconds": round(time.perf_counter() - began, 1)}


def read(subject: Subject, words: Words, scorer: Scorer) -> tuple[torch.Tensor, dict[str, Any]]:
    """The judge's views (V, H, W, 3) and what it reads off them."""
    views = torch.from_numpy(judge_pictures(subject))
    reading = scorer.read_kind_colour(views, together=True)[0]
    return views, {
        "colour_read": reading.colours, "pattern_read": reading.patterns,
        "colour_right": reading.colour == (words.colour or MATERIAL), "pattern_right": reading.pattern == words.pattern,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(arguments)
    torch.set_num_threads(chosen.threads)
    chosen.out.mkdir(parents=True, exist_ok=True)
    scorer, names = Scorer.load(), unseen_meshes.names()
    numbers = chosen.only or range(1, len(ASKED) + 1)
    meshes: dict[str, Mesh] = {}
    cache: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    views, strips = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            words = ASKED[number - 1]
            name = names[words.place]
            if name not in meshes:
                meshes[name] = unwrap(unseen_meshes.load(name), texture_size=chosen.size)[0]
            subject, report = paint(words, name, meshes[name], chosen, Path(folder), cache)
            seen, reading = read(subject, words, scorer)
            views.append(seen)
            strips.append(sheets.strip(sheet_pictures(subject)))
            assert subject.texture is not None
            Image.fromarray((subject.texture * 255).astype(np.uint8)).save(chosen.out / f"texture-{number:02d}.png")
            rows.append({"number": number, "prompt": words.prompt.format(name), "faces": len(subject.faces),
                         "seconds": report["seconds"], "seams": report["seams"], **reading})
            print(json.dumps(rows[-1]), flush=True)
    prompts = [row["prompt"] for row in rows]
    together = scorer.similarity(torch.cat(views), prompts).view(len(views), -1, len(prompts)).mean(dim=1)
    for row, score, place in zip(rows, together, range(len(rows)), strict=True):
        row["rank"] = int((score >= score[place]).sum())
    sheets.write_sheets(chosen.out, strips, prompts, chosen.seed)
    right = sum(row["colour_right"] and row["pattern_right"] for row in rows)
    figures = {
        "prompts": len(rows), "judge_reads_both": right,
        "judge_reads_colour": sum(row["colour_right"] for row in rows),
        "judge_reads_pattern": sum(row["pattern_right"] for row in rows),
        "finds_its_own_prompt": sum(row["rank"] == 1 for row in rows), "observer_bar": BAR,
    }  # fmt: skip
    (chosen.out / "results.json").write_text(json.dumps({"figures": figures, "prompts": rows}, indent=1) + "\n",
                                             encoding="utf-8")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
