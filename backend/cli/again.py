# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette again RESULT`: the same job once more, or another like it; what was asked for lies in each report.json.

    maquette again out/chair --set seed=8 --out out/another
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from backend.cli.make import make, pair
from backend.cli.options import one_job_options
from protocol.errors import BadRequest


@click.command()
@click.argument("result", metavar="RESULT", type=click.Path(path_type=Path, exists=True))
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting that is another this time.")
@click.option("--input", "files", multiple=True, metavar="NAME=FILE", help="A file that is another this time.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=None, help="Folder for the files.")
@click.option("--blend", is_flag=True, help="Write scene.blend too: what the add-on would have in the scene.")
@one_job_options
@click.pass_context
def again(context: click.Context, result: Path, settings: tuple[str, ...], files: tuple[str, ...], **rest: Any) -> None:
    """Do the job of RESULT once more: a folder with a report.json, or that file.

    With the same seed, and what was there then, it gives the same; with --set seed=8 another of the kind.
    """
    kind, asked, given = read_request(result)
    asked |= dict(pair(one, "--set") for one in settings)
    given |= dict(pair(one, "--input") for one in files)
    context.invoke(
        make, kind=kind, settings=tuple(f"{name}={text_of(value)}" for name, value in asked.items()),
        files=tuple(f"{name}={file}" for name, file in given.items()), mesh="", picture="", mask="", explain=False,
        **rest,
    )


def read_request(result: Path) -> tuple[str, dict[str, Any], dict[str, str]]:
    """(kind, settings, files by input) of a result. The seed is the one that was drawn. Raises BadRequest."""
    path = result / "report.json" if result.is_dir() else result
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise BadRequest(f"{path} cannot be read as a report: {problem}.", path="result") from problem
    asked = report.get("request") if isinstance(report, Mapping) else None
    if not isinstance(asked, Mapping) or not all(isinstance(asked.get(one), Mapping) for one in ("settings", "inputs")):
        raise BadRequest(f"{path} does not say what was asked for.", path="result",
                         hint="Reports of `generate`, `make`, `again` and `batch` do, since version 0.1.0.")
    settings = dict(asked["settings"])
    if type(report.get("seed")) is int and "seed" in settings:
        settings["seed"] = report["seed"]
    return str(asked.get("kind")), settings, {str(name): str(file) for name, file in asked["inputs"].items()}


def text_of(value: Any) -> str:
    """As `--set` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
