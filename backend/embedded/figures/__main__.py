# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes shards of dressed people for training: `python -m backend.embedded.figures --data FOLDER --size 32`."""

from __future__ import annotations

from pathlib import Path

import click
import torch


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="folder that receives the shards")
@click.option("--size", default=32, help="pixels a side")
@click.option("--first", default=0, help="number of the first shard")
@click.option("--shards", default=8, help="how many shards to write; those already there are kept")
@click.option("--figures", default=128, help="figures a shard")
@click.option("--views", default=4, help="pictures a figure")
@click.option("--captions", default=3, help="wordings a figure")
@click.option("--samples", default=2, help="samples a pixel and side")
@click.option("--close", is_flag=True, help="zoom 0.55 to 1.1 instead of 0.9 to 1.1, for the fine prior")
@click.option("--seed", default=1)
@click.option("--threads", default=1)
def main(
    data: Path, size: int, first: int, shards: int, figures: int, views: int, captions: int, samples: int, close: bool,
    seed: int, threads: int,
) -> None:  # fmt: skip
    from backend.embedded.training.dataset import ShardSettings, write_shard
    from backend.embedded.training.sentences import SentenceEncoder

    from .source import Figures

    torch.set_num_threads(threads)
    data.mkdir(parents=True, exist_ok=True)
    encode = SentenceEncoder(torch.device("cpu"))
    zoom = (0.55, 1.1) if close else (0.9, 1.1)
    settings = ShardSettings(size, figures, views, captions, samples, zoom, "train", seed)
    for number in range(first, first + shards):
        click.echo(write_shard(data, number, settings, Figures(), encode, "cpu").name)


if __name__ == "__main__":
    main()
