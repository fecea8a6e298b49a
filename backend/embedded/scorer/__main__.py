# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the scorer: `python -m backend.embedded.scorer train`, then `check`.

`train` draws its own renders, trains, and writes the weights that ship. Run it again after a stop and it goes on where
it was. `check` says how far the scorer can be trusted, on held-out prompts and on wrong pairs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import click
import torch
from torch import Tensor

from backend.embedded.scorer.check import CheckSettings, check_scorer
from backend.embedded.scorer.scorer import WEIGHTS, Scorer, save
from backend.embedded.scorer.stock import Stock, StockSettings, draw
from backend.embedded.scorer.train import TrainSettings, train


def _encoder() -> Callable[[Sequence[str]], Tensor]:
    from backend.embedded.training.sentences import SentenceEncoder

    encoder = SentenceEncoder()
    return lambda sentences: encoder(sentences).vector


@click.group(help=__doc__)
@click.option("--threads", default=1, show_default=True, help="CPU threads")
def main(threads: int) -> None:
    torch.set_num_threads(threads)


@main.command("train")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("runs/scorer"), help="stock and checkpoint")
@click.option("--out", type=click.Path(path_type=Path), default=WEIGHTS, help="where the finished weights go")
@click.option("--objects", default=StockSettings.objects, show_default=True)
@click.option("--views", default=StockSettings.views, show_default=True)
@click.option("--steps", default=TrainSettings.steps, show_default=True)
@click.option("--learning-rate", default=TrainSettings.learning_rate, show_default=True)
def train_command(folder: Path, out: Path, objects: int, views: int, steps: int, learning_rate: float) -> None:
    """Draw the stock where there is none, train or go on training, write the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    stock_settings = StockSettings(objects=objects, views=views)
    settings = TrainSettings(steps=steps, learning_rate=learning_rate)
    path = folder / "stock.pt"
    if not path.exists():
        draw(stock_settings, _encoder(), click.echo).save(path)
    stock = Stock.load(path)
    if len(stock.captions) != objects:
        raise click.UsageError(f"{path} holds {len(stock.captions)} objects, not {objects}: delete it to draw anew")
    network = train(stock, folder, settings, click.echo)
    about = {
        "stock": asdict(stock_settings),
        "training": {**asdict(settings), "samples": settings.steps * settings.batch},
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    save(network, out, about)
    click.echo(f"wrote {out}")


@main.command("check")
@click.option("--weights", type=click.Path(path_type=Path, exists=True), default=WEIGHTS)
@click.option("--prompts", default=CheckSettings.prompts, show_default=True)
@click.option("--seed", default=CheckSettings.seed, show_default=True)
@click.option("--record/--no-record", default=False, help="write the figures into the weights' config.json")
def check_command(weights: Path, prompts: int, seed: int, record: bool) -> None:
    """Measure the scorer on the truth of held-out prompts."""
    figures = check_scorer(Scorer.load(folder=weights), CheckSettings(prompts=prompts, seed=seed))
    for field in fields(figures):
        click.echo(f"{field.name.replace('_', ' ')}: {getattr(figures, field.name)}")
    if record:
        path = weights / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["check"] = asdict(figures)
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
