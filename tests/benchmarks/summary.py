# SPDX-License-Identifier: GPL-3.0-or-later
"""The bars of the quality benchmark, and what is said about a run: one line a prompt, totals, verdicts, a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from backend.embedded.scorer import Scorer
    from tests.benchmarks.judging import Judged

Row = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """What a run must reach: `figure` is a key of the totals."""

    figure: str
    least: float
    says: str


BARS = (
    Bar("r_precision", 0.75, "R-precision@1 among the prompts, from views that were not optimised"),
    Bar("f_score", 0.60, "mean F-score at 5 % against the truth"),
    Bar("closed", 1.0, "share of meshes that are closed"),
    Bar("manifold", 1.0, "share of meshes that are manifold"),
)
"""The bar for the draft preset with the embedded prior; a prompt that could not be made counts as 0 in each."""

MEANS = (
    ("f_score", "F-score at 5 %, after alignment"),
    ("iou", "volume IoU, after alignment"),
    ("delta_e", "colour error, mean CIE76 inside the common mask"),
    ("delta_e_of_means", "colour error of the mean colours"),
    ("common_mask", "common mask, share of the union"),
    ("views_right", "front, left, back, right read back right"),
    ("azimuth_error_degrees", "azimuth error over 12 views, degrees"),
    ("janus", "objects with a second face (Janus)"),
    ("sides_agree", "objects whose four sides all agree"),
    ("kind_right", "scorer names the kind right"),
    ("colour_right", "scorer names the colour right"),
    ("pattern_right", "scorer names the pattern right"),
    ("seconds", "seconds a prompt"),
)
"""Figures that are averaged over the prompts that were made. A solid of revolution tells nothing about its sides, so
`views_right`, `azimuth_error_degrees`, `janus` and `sides_agree` are averaged over the others only."""

OF_SIDES = ("views_right", "azimuth_error_degrees", "janus", "sides_agree")
TELLING = 0.3
"""An object has sides to speak of when at least this share of its true views can be told apart."""

OF_HEALTH = (
    ("closed", "closed"),
    ("manifold", "manifold"),
    ("outward", "wound outward"),
    ("degenerate_faces", "degenerate faces"),
    ("parts", "parts"),
    ("faces", "faces"),
    ("uv_overlap", "UV area that overlaps"),
    ("uv_used", "UV square that is used"),
    ("uv_stretch", "UV stretch, 1 is isometric"),
    ("texel_density", "texels per field unit"),
    ("texel_spread", "texel density, relative deviation between charts"),
    ("charts", "UV charts"),
)


def add_retrieval(row: Row, judged: Judged | None, prompts: Sequence[str], scorer: Scorer) -> None:
    """Adds to a row the rank of its prompt among all `prompts`, what it was taken for, and what the scorer reads
    without a prompt. One that could not be made has the last rank."""
    row.update(rank=len(prompts), taken_for="", own_similarity=None)
    if judged is None:
        return
    views = torch.from_numpy(judged.judge_views)
    scores = scorer.similarity(views, prompts).mean(dim=0)
    own = scores[list(prompts).index(row["prompt"])]
    row["rank"] = int((scores >= own).sum())
    row["taken_for"] = prompts[int(scores.argmax())]
    row["own_similarity"] = float(own)
    reading = scorer.read_kind_colour(views, together=True)[0]
    row["read"] = {"kinds": reading.kinds, "colours": reading.colours, "patterns": reading.patterns}
    row["kind_right"] = reading.kind == row["kind"]
    # A material brings its own colour; then there is no colour to name.
    row["colour_right"] = reading.colour == row["colour"] if row["colour"] else None
    row["pattern_right"] = reading.pattern == row["pattern"]


def totals(rows: Sequence[Row]) -> dict[str, float]:
    """Means over the prompts. Figures with a bar count a prompt that could not be made as 0."""
    count = max(len(rows), 1)
    found: dict[str, float] = {
        "prompts": len(rows),
        "made": sum("error" not in row for row in rows),
        "r_precision": sum(row["rank"] == 1 and "error" not in row for row in rows) / count,
        "r_precision_at_5": sum(row["rank"] <= 5 and "error" not in row for row in rows) / count,
    }
    for name, _ in MEANS:
        of = [row for row in rows if name not in OF_SIDES or row.get("views_telling", 0.0) >= TELLING]
        values = [float(row[name]) for row in of if row.get(name) is not None]
        if values:
            found[name] = float(np.mean(values))
    if "f_score" in found:
        found["f_score"] = sum(float(row.get("f_score", 0.0)) for row in rows) / count
    for name, _ in OF_HEALTH:
        values = [float(row["health"][name]) for row in rows if row.get("health", {}).get(name) is not None]
        if values:
            bars = {bar.figure for bar in BARS}
            found[name] = sum(values) / count if name in bars else float(np.mean(values))
    return found


def verdicts(figures: Mapping[str, float]) -> list[dict[str, Any]]:
    """Each bar with what was reached; a figure that was not measured misses its bar."""
    return [
        {
            "figure": bar.figure,
            "says": bar.says,
            "least": bar.least,
            "reached": figures.get(bar.figure),
            "met": figures.get(bar.figure, -1.0) >= bar.least - 1e-9,
        }
        for bar in BARS
    ]


def line(row: Row, count: int) -> str:
    """One prompt in one line, as it is done."""
    head = f"[{row['number'] + 1}/{count}] {row['prompt']}"
    if "error" in row:
        return f"{head}: not made: {row['error'].get('message', row['error'])}"
    took = f", {row['seconds']:.0f} s" if row.get("seconds") else ""
    sides = "two faces" if row["janus"] else f"{row['views_right']:.0%} of the sides right"
    figures = f"rank {row['rank']}, F {row['f_score']:.2f}, IoU {row['iou']:.2f}, dE {row['delta_e']:.0f}"
    return f"{head}: {figures}, {sides}{took}"


def closing(figures: Mapping[str, float], bars: Sequence[Mapping[str, Any]]) -> str:
    """The last words of a run."""
    lines = [f"{figures['made']:.0f} of {figures['prompts']:.0f} prompts made"]
    for bar in bars:
        reached = "not measured" if bar["reached"] is None else f"{bar['reached']:.3f}"
        lines.append(f"{'met   ' if bar['met'] else 'MISSED'} {bar['says']}: {reached} (at least {bar['least']:g})")
    return "\n".join(lines)


def markdown(heading: str, rows: Sequence[Row], figures: Mapping[str, float], bars: Sequence[Mapping[str, Any]]) -> str:
    """`results.md`: bars, means, and a table of the prompts."""
    lines = [f"# Quality: {heading}", "", "| bar | at least | reached | |", "|---|---|---|---|"]
    for bar in bars:
        reached = "not measured" if bar["reached"] is None else f"{bar['reached']:.3f}"
        lines.append(f"| {bar['says']} | {bar['least']:g} | {reached} | {'met' if bar['met'] else '**missed**'} |")
    lines += ["", "| mean over the prompts | value |", "|---|---|"]
    lines += [f"| {says} | {figures[name]:.3g} |" for name, says in MEANS if name in figures]
    lines += [f"| {says} | {figures[name]:.3g} |" for name, says in OF_HEALTH if name in figures]
    lines += ["", "| # | prompt | seed | rank | taken for | F | IoU | dE | sides | faces | s |", "|" + "---|" * 11]
    for row in rows:
        if "error" in row:
            why = row["error"].get("code", "")
            lines.append(f"| {row['number']} | {row['prompt']} | {row['seed']} | not made: {why} |")
            continue
        taken = "" if row["taken_for"] == row["prompt"] else row["taken_for"]
        sides = "two faces" if row["janus"] else f"{row['views_right']:.2f}"
        took = f"{row['seconds']:.0f}" if row.get("seconds") else ""
        lines.append(
            f"| {row['number']} | {row['prompt']} | {row['seed']} | {row['rank']} | {taken} | {row['f_score']:.2f} "
            f"| {row['iou']:.2f} | {row['delta_e']:.1f} | {sides} | {row['health']['faces']} | {took} |"
        )
    return "\n".join(lines) + "\n"
