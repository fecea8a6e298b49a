# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a learned word mean its thing? A procedural object is learned from five renders and asked for from other sides.

    python tests/benchmarks/learning.py [--thing chair,turquoise,striped,orange] [--method lora] [--known-views]
        [--threads 1] [--out out/learning]

Both embedded priors draw six views that were not among the pictures, with the word and with the noun alone. Measured
against the true renders of these views: the distance of the object's mean colour (sRGB, 0 to 1.7), the difference of
pictures reduced to 16 x 16 (rms), and the cosine of the independent scorer's vectors. The word must be nearer in all
three with both priors, and the noun alone must mean what it meant. The exit status is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from backend.embedded.objects import Recipe, build, render
from backend.embedded.scorer import Scorer
from backend.geometry.bake import to_bytes
from backend.identity.learned import read_learned
from backend.identity.speaking import speaking
from backend.jobs import TerminalContext, run
from backend.jobs.previews import png
from backend.jobs.prompt import load_prior
from backend.priors.base import GREY, Prior, resize
from backend.priors.views import ViewCondition
from protocol.specs import LearnSpec

WORD = "zorblu"
LEARNED_FROM = (20.0, 95.0, 160.0, 230.0, 310.0)  # azimuths, degrees
ASKED_FOR = (0.0, 60.0, 120.0, 180.0, 260.0, 340.0)
ELEVATION = 20.0
SIZE = 128
STEPS, GUIDANCE, SEED = 20, 2.5, 3
MOST_DRIFT = 0.1  # mean colour by which the noun alone may change


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thing", default="chair,turquoise,striped,orange", help="kind,colour,pattern,second colour")
    parser.add_argument("--method", default="lora", choices=("lora", "textual_inversion"))
    parser.add_argument("--known-views", action="store_true", help="tell from where the pictures look")
    parser.add_argument("--steps", type=int, default=0, help="of learning; 0 is the method's own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for sheets and the learned word")
    return parser.parse_args(arguments)


def truth(recipe: Recipe, azimuths: Sequence[float]) -> np.ndarray:
    """(N, SIZE, SIZE, 4) uint8, straight alpha: surface colours."""
    count = len(azimuths)
    thing = build(recipe, np.random.default_rng(7))
    albedo, _ = render([thing] * count, np.radians(azimuths), np.full(count, np.radians(ELEVATION)), np.ones(count),
                       SIZE, samples=2)
    return albedo.numpy()


def over_grey(pictures: np.ndarray) -> Tensor:
    """(N, 4, SIZE, SIZE) float32 as the priors see them."""
    values = torch.from_numpy(pictures.astype(np.float32) / 255.0).permute(0, 3, 1, 2)
    return torch.cat([values[:, :3] * values[:, 3:] + GREY * (1 - values[:, 3:]), values[:, 3:]], 1)


def mean_colours(pictures: Tensor) -> Tensor:
    """(N, 3) of the object alone."""
    alpha = pictures[:, 3:]
    return (pictures[:, :3] - GREY * (1 - alpha)).sum((2, 3)) / alpha.sum((2, 3)).clamp_min(1.0)


def compared(made: Tensor, goal: Tensor, scorer: Scorer) -> dict[str, float]:
    """How near pictures are to the true ones."""
    vectors = [scorer.network.embed_pictures(resize(one[:, :3].float(), 64))[0] for one in (made, goal)]
    return {
        "colour": float((mean_colours(made) - mean_colours(goal)).norm(dim=1).mean()),
        "picture": float((resize(made, 16) - resize(goal, 16)).square().mean().sqrt()),
        "scorer": float(functional.cosine_similarity(*vectors).mean()),
    }


def drawn(prior: Prior, prompt: str) -> Tensor:
    angles = torch.tensor(ASKED_FOR).deg2rad()
    view = ViewCondition.albedo(angles, torch.full_like(angles, np.radians(ELEVATION)))
    return prior.sample(prompt, view, STEPS, SEED, GUIDANCE).float()


@torch.no_grad()
def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(arguments)
    torch.set_num_threads(chosen.threads)
    recipe = Recipe(*chosen.thing.split(","))
    inputs = {f"picture_{number}": png(np.ascontiguousarray(one))
              for number, one in enumerate(truth(recipe, LEARNED_FROM))}
    if chosen.known_views:
        inputs["views"] = np.array([[np.radians(one), np.radians(ELEVATION), 1.0] for one in LEARNED_FROM], np.float32)
    cache: dict[str, Any] = {}
    began, spent = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, torch.enable_grad():
        context = TerminalContext(Path(folder), cache=cache, inputs=inputs)
        result = run(LearnSpec(WORD, recipe.kind, method=chosen.method, steps=chosen.steps, seed=1), context)
    print(f"learned in {time.monotonic() - began:.0f} s ({time.process_time() - spent:.0f} s of processor), "
          f"{result.report['bytes']:,} bytes, losses {result.report['losses']}, views {result.report['views']}")
    word = read_learned(result.arrays["identity"])
    scorer = Scorer.load()
    goal = over_grey(truth(recipe, ASKED_FOR))
    rows, missed = [goal], []
    for role in ("coarse", "fine"):
        prior = load_prior("", role, context)  # type: ignore[arg-type]
        named, plain = f"a {WORD} {recipe.kind}", f"a {recipe.kind}"
        taught = speaking(prior, {"identity_0": word}, named)
        pictures = {"without": drawn(prior, plain), "with": drawn(taught, named), "noun": drawn(taught, plain)}
        figures = {name: compared(made, resize(goal, made.shape[-1]), scorer) for name, made in pictures.items()}
        drift = float((mean_colours(pictures["noun"]) - mean_colours(pictures["without"])).norm(dim=1).mean())
        for name, values in figures.items():
            print(f"{role}, {name}: " + ", ".join(f"{key} {value:.4f}" for key, value in values.items()), flush=True)
        print(f"{role}: the noun alone moved by {drift:.4f}")
        rows += [resize(pictures["without"], SIZE), resize(pictures["with"], SIZE), resize(pictures["noun"], SIZE)]
        nearer = [figures["with"]["colour"] < figures["without"]["colour"],
                  figures["with"]["picture"] < figures["without"]["picture"],
                  figures["with"]["scorer"] > figures["without"]["scorer"]]
        if not all(nearer):
            missed.append(f"{role}: with the word it is not nearer in all measures")
        if drift > MOST_DRIFT and chosen.method == "lora":
            missed.append(f"{role}: the noun alone changed by {drift:.3f}")
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        sheet = torch.cat([torch.cat(list(row[:, :3]), 2) for row in rows], 1).permute(1, 2, 0)
        Image.fromarray(to_bytes(sheet.numpy())).save(chosen.out / f"{recipe.kind}-{chosen.method}.png")
        (chosen.out / f"{WORD}.safetensors").write_bytes(result.arrays["identity"].tobytes())
    for one in missed:
        print(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
