# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the recipes: `python -m backend.embedded.training dataset|pixel|autoencoder|latent|export ...`.

`dataset` fills a folder with shards and may run beside training; the recipes train from that folder into a run folder
and continue from its checkpoint by themselves; `--finish` decays the learning rate to the end.
"""

from __future__ import annotations

import signal
from pathlib import Path

import click
import torch

from .loop import LoopSettings, Trainer


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where present, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="folder that receives the shards")
@click.option("--size", default=32, help="pixels a side")
@click.option("--shards", default=40, help="how many shards the folder should hold")
@click.option("--objects", default=256, help="objects a shard")
@click.option("--views", default=6, help="pictures an object")
@click.option("--captions", default=3, help="wordings an object")
@click.option("--samples", default=2, help="rays a pixel and side")
@click.option("--close", is_flag=True, help="zoom 0.55 to 1.1 instead of 0.9 to 1.1, for the fine prior")
@click.option("--patterned", is_flag=True, help="rich in patterns, with positions: for control networks")
@click.option("--seed", default=1)
@click.option("--device", default="auto")
@click.option("--threads", default=1)
def dataset(
    data: Path, size: int, shards: int, objects: int, views: int, captions: int, samples: int, close: bool,
    patterned: bool, seed: int, device: str, threads: int,
) -> None:  # fmt: skip
    """Render captioned shards; those already there are kept."""
    from .dataset import ShardSettings, write_shard, write_watch
    from .patterned import Patterned
    from .procedural import Procedural
    from .sentences import SentenceEncoder
    from .watch import TURN

    torch.set_num_threads(threads)
    place = pick_device(device)
    data.mkdir(parents=True, exist_ok=True)
    encode = SentenceEncoder(place)
    source = Patterned() if patterned else Procedural()
    zoom = (0.55, 1.1) if close else (0.9, 1.1)
    settings = ShardSettings(size, objects, views, captions, samples, zoom, "train", seed)
    write_watch(data, ShardSettings(size, 8, TURN, 1, samples, zoom, "held_out", seed), source, encode, str(place))
    for number in range(shards):
        click.echo(str(write_shard(data, number, settings, source, encode, str(place)).name))


def train(recipe_name: str, data: Path, run: Path, settings: LoopSettings, hours: float | None, steps: int | None,
          finish: bool, decay_last: int, device: str, threads: int, size: str, start: Path | None,
          autoencoder_run: Path | None = None) -> None:  # fmt: skip
    """Build the recipe `recipe_name` and run it."""
    from .dataset import ShardFolder
    from .latent_prior import LatentFolder, LatentPrior, autoencoder_key
    from .recipes import build

    torch.set_num_threads(threads)
    place = pick_device(device)
    recipe = build(recipe_name, data, size, place, start, autoencoder_run)
    latent = isinstance(recipe, LatentPrior)
    shards = LatentFolder(data, autoencoder_key(recipe.vae)) if isinstance(recipe, LatentPrior) else ShardFolder(data)
    if not len(shards):
        first = "`dataset` command, then the `encode` command" if latent else "`dataset` command"
        raise click.UsageError(f"{data} holds nothing to train on yet; run the {first} first")
    run_trainer(Trainer(recipe, shards, run, settings, place), hours, steps, finish, decay_last)


def run_trainer(trainer: Trainer, hours: float | None, steps: int | None, finish: bool, decay_last: int) -> None:
    """Train, or decay to the end; a termination signal saves and leaves."""
    signal.signal(signal.SIGTERM, lambda *_: setattr(trainer, "stopping", True))
    seconds = None if hours is None else hours * 3600.0
    if finish:
        trainer.finish(decay_last, seconds)
    else:
        trainer.run(steps, seconds)


def train_options(learning_rate: float, batch: int):  # type: ignore[no-untyped-def]
    """Options that the three training commands share."""

    def wrap(command):  # type: ignore[no-untyped-def]
        for option in reversed([
            click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="shards"),
            click.option("--run", type=click.Path(path_type=Path), required=True, help="folder of the run"),
            click.option("--hours", type=float, default=None, help="stop after so long (default: never)"),
            click.option("--steps", type=int, default=None, help="stop after so many steps"),
            click.option("--finish", is_flag=True, help="decay the learning rate to zero, then stop"),
            click.option("--decay-last", default=1500, help="steps of that decay"),
            click.option("--batch", default=batch),
            click.option("--learning-rate", default=learning_rate),
            click.option("--seed", default=0),
            click.option("--device", default="auto", help="auto, cpu or cuda"),
            click.option("--threads", default=1),
            click.option("--size", default="small", help="small for a CPU core, large for a GPU"),
            click.option("--start", type=click.Path(path_type=Path, exists=True), default=None,
                         help="checkpoint of another run whose averaged weights are the start"),
        ]):  # fmt: skip
            command = option(command)
        return command

    return wrap


@main.command()
@train_options(learning_rate=1e-3, batch=32)
def pixel(data: Path, run: Path, hours: float | None, steps: int | None, finish: bool, decay_last: int, batch: int,
          learning_rate: float, seed: int, device: str, threads: int, size: str,
          start: Path | None) -> None:  # fmt: skip
    """Train the 32 px pixel prior."""
    settings = LoopSettings(batch=batch, learning_rate=learning_rate, seed=seed)
    train("pixel", data, run, settings, hours, steps, finish, decay_last, device, threads, size, start)


@main.command()
@train_options(learning_rate=2e-3, batch=16)
def autoencoder(data: Path, run: Path, hours: float | None, steps: int | None, finish: bool, decay_last: int,
                batch: int, learning_rate: float, seed: int, device: str, threads: int, size: str,
                start: Path | None) -> None:  # fmt: skip
    """Train the f4 autoencoder of the fine prior on 128 px shards."""
    settings = LoopSettings(batch=batch, learning_rate=learning_rate, seed=seed)
    train("autoencoder", data, run, settings, hours, steps, finish, decay_last, device, threads, size, start)


@main.command()
@train_options(learning_rate=1e-3, batch=32)
@click.option("--autoencoder-run", type=click.Path(path_type=Path, exists=True), required=True)
def latent(data: Path, run: Path, hours: float | None, steps: int | None, finish: bool, decay_last: int, batch: int,
           learning_rate: float, seed: int, device: str, threads: int, size: str, start: Path | None,
           autoencoder_run: Path) -> None:  # fmt: skip
    """Train the fine prior on latents that `encode` wrote; --start takes a pixel prior's checkpoint."""
    settings = LoopSettings(batch=batch, learning_rate=learning_rate, seed=seed)
    train("latent", data, run, settings, hours, steps, finish, decay_last, device, threads, size, start,
          autoencoder_run)  # fmt: skip


@main.command()
@click.argument("kind", type=click.Choice(["pixel", "latent"]))
@click.option("--more", type=(click.Path(path_type=Path), float), multiple=True, metavar="FOLDER SHARE",
              help="shards of another source and how much of every batch comes from there, once there is any")
@click.option("--prior", type=click.Path(path_type=Path, exists=True), default=None,
              help="weights folder of the prior (default: the package's own)")
@train_options(learning_rate=1e-3, batch=32)
def control(kind: str, more: tuple[tuple[Path, float], ...], prior: Path | None, data: Path, run: Path,
            hours: float | None, steps: int | None, finish: bool, decay_last: int, batch: int, learning_rate: float,
            seed: int, device: str, threads: int, size: str, start: Path | None) -> None:  # fmt: skip
    """Train the control network of a finished prior on shards of `dataset --patterned`; for the latent prior `encode`
    them first. --start may be the control network of the other kind."""
    from .autoencoder import FACTOR
    from .control import ControlRecipe, begin, prior_of, watched_geometry
    from .geometry_data import GeometryFolder, PositionedLatents, PositionedShards
    from .latent_prior import LatentPrior, autoencoder_key
    from .watch import WatchSet

    torch.set_num_threads(threads)
    place = pick_device(device)
    watch = WatchSet.open(data) if (data / "watch").exists() else None
    base = prior_of(kind, prior or Path(__file__).parent.parent / "weights" / kind, place, watch)
    key = autoencoder_key(base.vae) if isinstance(base, LatentPrior) else ""
    places, shares = [data, *(folder for folder, _ in more)], [share for _, share in more]
    folders = [PositionedLatents(folder, key) if key else PositionedShards(folder) for folder in places]
    cells = FACTOR if key else 1
    shards = GeometryFolder(folders, [max(1 - sum(shares), 1e-6), *shares], cells)
    if not len(shards):
        raise click.UsageError(f"{data} holds nothing to train on yet; run the `dataset --patterned` command first")
    network = begin(base, start)
    recipe = ControlRecipe(base, network, watched_geometry(data, cells) if watch else None)
    settings = LoopSettings(batch=batch, learning_rate=learning_rate, seed=seed)
    run_trainer(Trainer(recipe, shards, run, settings, place), hours, steps, finish, decay_last)


@main.command()
@click.option("--more", type=(click.Path(path_type=Path), float), multiple=True, metavar="FOLDER SHARE",
              help="shards of another source or size and how much of every batch comes from there, once there is any")
@click.option("--prior", type=click.Path(path_type=Path, exists=True), default=None,
              help="weights folder of the pixel prior that it begins as (default: the package's own)")
@train_options(learning_rate=1e-3, batch=32)
def painter(more: tuple[tuple[Path, float], ...], prior: Path | None, data: Path, run: Path, hours: float | None,
            steps: int | None, finish: bool, decay_last: int, batch: int, learning_rate: float, seed: int, device: str,
            threads: int, size: str, start: Path | None) -> None:  # fmt: skip
    """Train the painting prior on shards of `dataset --patterned` of any size; it begins as the pixel prior."""
    from .control import watched_geometry
    from .crops import Crops
    from .painter import painter as recipe_from
    from .recipes import averaged_weights
    from .watch import WatchSet

    torch.set_num_threads(threads)
    place = pick_device(device)
    watch = WatchSet.open(data) if (data / "watch").exists() else None
    shards = Crops.of([(data, max(1 - sum(share for _, share in more), 1e-6)), *more])
    if not len(shards):
        raise click.UsageError(f"{data} holds nothing to train on yet; run the `dataset --patterned` command first")
    folder = prior or Path(__file__).parent.parent / "weights" / "pixel"
    recipe = recipe_from(folder, place, watch, watched_geometry(data, 1) if watch else None)
    if start is not None:
        recipe.network.load_state_dict(averaged_weights(start))
    settings = LoopSettings(batch=batch, learning_rate=learning_rate, seed=seed)
    run_trainer(Trainer(recipe, shards, run, settings, place), hours, steps, finish, decay_last)


@main.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="128 px shards")
@click.option("--autoencoder-run", type=click.Path(path_type=Path, exists=True), default=None,
              help="run folder of a finished autoencoder (default: that of the package's latent prior)")
@click.option("--device", default="auto")
@click.option("--threads", default=1)
def encode(data: Path, autoencoder_run: Path | None, device: str, threads: int) -> None:
    """Encode every shard with a finished autoencoder; those already encoded are kept. May run beside training."""
    from .dataset import ShardFolder
    from .latent_prior import autoencoder_key, encode_shard
    from .recipes import load_autoencoder, shipped_autoencoder

    torch.set_num_threads(threads)
    place = pick_device(device)
    vae = (shipped_autoencoder() if autoencoder_run is None else load_autoencoder(autoencoder_run)).to(place)
    key = autoencoder_key(vae)
    for name in ShardFolder(data).names:
        encode_shard(data / name, vae, key, place)
        click.echo(f"{name} {key}")


@main.command()
@click.argument("kind", type=click.Choice(["pixel", "latent", "painter", "pixel control", "latent control"]))
@click.option("--run", type=click.Path(path_type=Path, exists=True), required=True, help="folder of the run")
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="shards, for the card")
@click.option("--to", type=click.Path(path_type=Path), default=None, help="default: the weights folder of the package")
@click.option("--size", default="small")
@click.option("--device-name", default="one core of a server CPU, bf16 autocast", help="device, in words, for the card")
@click.option("--note", default="", help="a sentence that ends the card")
@click.option("--autoencoder-run", type=click.Path(path_type=Path, exists=True), default=None)
def export(kind: str, run: Path, data: Path, to: Path | None, size: str, device_name: str,
           autoencoder_run: Path | None, note: str) -> None:  # fmt: skip
    """Write the averaged weights of a run as a diffusers folder; a run in progress may be exported at any time."""
    from .export import export_run

    own = Path(__file__).parent.parent / "weights" / kind.split()[0]
    target = to or (own / "controlnet" if kind.endswith("control") else own)
    export_run(kind, run, data, target, size, device_name, autoencoder_run, note)
    size_mb = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    click.echo(f"{target}: {size_mb:.1f} MB")


if __name__ == "__main__":
    main()
