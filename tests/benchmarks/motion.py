# SPDX-License-Identifier: GPL-3.0-or-later
"""All figures by which motion is judged: retrieval, generators, retargeting, clean-up of clips, the autoencoder.

Clips are those of ../shared/data where they are; what needs them says so where they are not. Nothing is asserted; the
bars stand beside the figures.

    python -m tests.benchmarks.motion [--part retrieval,generators,clips,autoencoder,time,blender] [--sheet FILE.png]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backend.motion import candidates, library, repertoire, sketch
from backend.motion.autoencoder import MotionAutoencoder, joints, load, standing, through
from backend.motion.clean import found_contacts, looped, pinned, planted
from backend.motion.clips import read_folder
from backend.motion.features import FPS, FRAMES, average_figure, windows
from backend.motion.figure import Figure
from backend.motion.index import GENERATORS, Encode, Index
from backend.motion.manner import MANNERS, NEUTRAL, Manner
from backend.motion.measures import Quality, quality
from backend.motion.retarget import Clip, retarget
from backend.motion.take import in_place, resample
from backend.motion.words import Part, parse
from tests.backend.motion.skeletons import human
from tests.backend.motion.test_clips import DATA, limb_degrees
from tests.backend.motion.test_words import PARAPHRASES


def encoder() -> Encode | None:
    """The sentence encoder, where it is installed."""
    from backend.priors.sentence_encoder import SentenceEncoder, find_model_folder
    from protocol.errors import PriorNotFound

    try:
        network = SentenceEncoder(find_model_folder())
    except PriorNotFound:
        return None
    return lambda texts: network.vectors(list(texts)).numpy()


def retrieval() -> None:
    index = Index()
    right = [index.best(parse(text)[0])[0][0].name == truth for truth, text in PARAPHRASES]
    print(f"retrieval by words alone: {sum(right)} of {len(right)} (bar 90)")
    encode = encoder()
    if encode is None:
        print("the sentence encoder is not installed")
        return
    captions = encode([entry.caption for entry in index.entries])
    texts = encode([text for _, text in PARAPHRASES])
    nearest = [index.entries[int(row.argmax())].name for row in texts @ captions.T]
    print(f"by sentence vectors alone: {sum(a == b for a, (b, _) in zip(nearest, PARAPHRASES, strict=True))}")
    both = 0
    for truth, text in PARAPHRASES:
        part = parse(text)[0]
        entry, score = index.best(part)[0]
        if not set(part.concepts) & entry.known and score < library.UNSURE:
            entry, _ = index.resembling(part.text, encode)
        both += entry.name == truth
    print(f"by words, and by vectors where words say nothing: {both}")


def generators() -> None:
    figure = Figure.of(human())
    found: list[tuple[str, str, bool, Quality]] = []
    for entry in GENERATORS:
        for name, manner in {"neutral": NEUTRAL, **MANNERS}.items():
            for loop in (True, False) if entry.cyclic else (False,):
                take = repertoire.make(entry, Part(entry.name, ()), figure, 30.0, 60 if loop else 0, manner, loop)
                found.append((entry.name, name, loop, quality(figure, take)))
    standing_ = [one for *_, one in found if one.mean_speed > 0]
    print(f"{len(found)} takes of {len(GENERATORS)} generators in {len(MANNERS) + 1} manners:")
    print(f"  standing feet: mean {np.mean([one.mean_speed for one in standing_]):.4f}, largest mean "
          f"{max(one.mean_speed for *_, one in found):.4f}, largest {max(one.most_speed for *_, one in found):.4f} m/s "
          "(bar 0.02, 0.05)")
    print(f"  largest seam {1000 * max(one.seam for *_, one in found):.2f} mm (bar 1), deepest foot "
          f"{1000 * max(one.depth for *_, one in found):.1f} mm (bar 5)")
    for joint in ("knee", "hip", "elbow"):
        print(f"  {joint}: {min(one.ranges[joint][0] for *_, one in found):.0f} to "
              f"{max(one.ranges[joint][1] for *_, one in found):.0f} degrees")
    bad = [(*who, one.faults()) for *who, one in found if one.faults()]
    print(f"  out of bounds: {len(bad)}")
    for name, manner, loop, faults in bad:
        print(f"    {name}, {manner}{', loop' if loop else ''}: {'; '.join(faults)}")


def clips() -> None:
    if not DATA.is_dir():
        print("no clips beside the repository (../shared/data/motion)")
        return
    notes: list[str] = []
    begun = time.perf_counter()
    every = read_folder(DATA, notes)
    print(f"{len(every)} clips read in {time.perf_counter() - begun:.1f} s; left out: {len(notes)} files")
    target = Figure.of(human())
    worst = max(limb_degrees(one.figure, one.take, target, retarget(one.take, one.figure, target)) for one in every)
    print(f"limbs after retargeting: {worst:.5f} degrees off at most (bar 0.01)")
    rows = []
    for one in every:
        if len(one.take) < 12:
            continue
        states = [one.take, pinned(one.figure, one.take)]
        states.append(planted(one.figure, replace(states[1], contacts=found_contacts(one.figure, states[1]))))
        contacts = states[2].contacts
        rows.append([quality(one.figure, replace(state, contacts=contacts)) for state in states])
    for name, place in (("as they are", 0), ("pinned", 1), ("held", 2)):
        speed = np.mean([row[place].mean_speed for row in rows])
        print(f"  {len(rows)} clips {name}: standing feet {speed:.3f} m/s, height ratio "
              f"{np.mean([row[place].skating for row in rows]):.3f}")
    for name in ("Walk_Loop", "Walk_Formal_Loop"):
        one = next((one for one in every if one.name == name), None)
        if one is not None:
            _walk(one)


def _walk(clip: Clip) -> None:
    take = pinned(clip.figure, looped(clip.figure, clip.take))
    take = replace(take, contacts=found_contacts(clip.figure, take))
    held = planted(clip.figure, take)
    before, _ = clip.figure.positions(take.turns, take.root)
    after, _ = clip.figure.positions(held.turns, held.root)
    one, other = quality(clip.figure, take), quality(clip.figure, held)
    print(f"  {clip.name}: {-take.stride[1] / take.seconds:.2f} m/s, standing {one.mean_speed:.3f} -> "
          f"{other.mean_speed:.3f} (largest {other.most_speed:.3f}) m/s, "
          f"height ratio {one.skating:.2f} -> {other.skating:.2f} (bar 0.20), "
          f"joints moved {100 * np.linalg.norm(after - before, axis=-1).max():.1f} cm (bar 8)")


def autoencoder() -> None:
    figure, network = average_figure(), load()
    offsets = standing(figure)
    pairs = (("tired", "drunk"), ("happy", "fast"), ("sneaky", "scared"), ("proud", "heavy"))
    unseen = generated(figure, [MANNERS[a].with_(MANNERS[b]) for a, b in pairs])
    report("motion of our generators in manners that were not in its training", network, offsets, unseen)
    if DATA.is_dir():
        recorded = np.concatenate([windows(figure, retarget(one.take, one.figure, figure))
                                   for one in read_folder(DATA, [])])
        report("recorded clips, none of which it has seen", network, offsets, recorded)
    encode = encoder()
    poses = candidates.shipped()
    for text in ("walk", "punch", "bow", "jumping jacks", "conduct an orchestra"):
        keys = candidates.ordered(candidates.chosen(text, poses, figure, None, encode))
        begun = time.perf_counter()
        made, off = through(network, keys, 1)
        seconds = time.perf_counter() - begun
        bend = np.abs(np.diff(made[:, :132], n=2, axis=0)).mean()
        plain = np.abs(np.diff(candidates.by_keys(keys)[:, :132], n=2, axis=0)).mean()
        print(f"  {text}: candidates met within {', '.join(f'{np.degrees(one):.0f}' for one in off)} degrees (bar 6), "
              f"{seconds:.1f} s, acceleration {bend / plain:.1f} x that of interpolation")


def generated(figure: Figure, manners: list[Manner]) -> np.ndarray:
    found = []
    for entry in GENERATORS:
        for manner in manners:
            frames = 90 if entry.cyclic else 0
            take = repertoire.make(entry, Part(entry.name, ()), figure, FPS, frames, manner, entry.cyclic)
            found.append(windows(figure, resample(take, FPS, 1.1)))
    return np.concatenate(found)


def report(subject: str, network: MotionAutoencoder, offsets: torch.Tensor, data: np.ndarray) -> None:
    """Mean joint errors of the autoencoder, of interpolation between 5 keys, and of the mean pose."""
    whole = torch.tensor(data)
    with torch.no_grad():
        coded = network.decode(network.encode(whole)[0])
        at = np.array(candidates.AT)
        place = np.clip(np.searchsorted(at, np.arange(FRAMES), side="right") - 1, 0, len(at) - 2)
        share = torch.tensor((np.arange(FRAMES) - at[place]) / (at[place + 1] - at[place])).float()[:, None]
        keyed = whole[:, at[place]] * (1 - share) + whole[:, at[place + 1]] * share
        truth = joints(whole, offsets)

        def error(other: torch.Tensor) -> float:
            return 1000 * float((joints(other, offsets) - truth).norm(dim=-1).mean())

        print(f"{subject}: {len(data)} windows of {FRAMES} frames; autoencoder {error(coded):.0f} mm, 5 keys "
              f"{error(keyed):.0f} mm, mean pose {error(whole.mean((0, 1)).expand_as(whole)):.0f} mm")


def timing() -> None:
    figure = Figure.of(human())
    for prompt, frames in (("walk", 120), ("walks in tired, then waves", 0), ("sit down, look around and stand up", 0)):
        spans = []
        for _ in range(5):
            begun = time.perf_counter()
            made = library.compose(prompt, figure, 30.0, frames)
            spans.append(time.perf_counter() - begun)
        print(f"{prompt!r}: {len(made.motion)} frames in {1000 * min(spans):.0f} ms (best of 5)")


def blender() -> None:
    """In a process of its own: Blender's module beside torch hangs at the end."""
    script = Path(__file__).parents[1] / "blender_addon" / "packaging" / "motions.py"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run([sys.executable, script, folder, report], check=True, capture_output=True)
        found = json.loads(report.read_text(encoding="utf-8"))
    print(f"Blender {found['blender']}: 60 frames of 22 bones keyed in {1000 * found['seconds']:.0f} ms (bar 100), "
          f"evaluated {found['wrong']:.1e} m from the forward kinematics (bar 1e-5)")


def sheet(path: Path) -> None:
    """A picture of every generator from two sides."""
    figure = Figure.of(human())
    rows = []
    for entry in GENERATORS:
        frames = 60 if entry.cyclic else 0
        take = repertoire.make(entry, Part(entry.name, ()), figure, 30.0, frames, NEUTRAL, entry.cyclic)
        rows.append(sketch.sheet(figure, in_place(take), 8, 110))
    half = (len(rows) + 1) // 2
    columns = [np.concatenate(rows[:half]), np.concatenate(rows[half:])]
    tall = max(len(one) for one in columns)
    columns = [np.pad(one, ((0, tall - len(one)), (0, 0), (0, 0)), constant_values=246) for one in columns]
    Image.fromarray(np.concatenate(columns, 1)).save(path)
    print(f"wrote {path}")


PARTS: dict[str, Callable[[], None]] = {"retrieval": retrieval, "generators": generators, "clips": clips,
                                        "autoencoder": autoencoder, "time": timing, "blender": blender}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.part.split(","):
        print(f"--- {name}")
        PARTS[name]()
    if options.sheet is not None:
        sheet(options.sheet)


if __name__ == "__main__":
    main()
