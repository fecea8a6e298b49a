# SPDX-License-Identifier: GPL-3.0-or-later
"""From a sentence to a motion: understand it, choose, generate or carry over, join, clean, deliver.

`perform` is the short way for other recipes; `compose` tells what was chosen as well. Nothing here needs model
weights; a sentence encoder, clips and a maker of candidates are taken where they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backend.motion import repertoire
from backend.motion.clean import looped, planted
from backend.motion.figure import ARM_JOINTS, Figure
from backend.motion.index import GENERATORS, Encode, Entry, Index, entry_of_clip
from backend.motion.manner import MANNERS, Manner, manner_of
from backend.motion.retarget import Clip, carried
from backend.motion.styled import styled
from backend.motion.take import Take, cut, join, layer, mirror, resample, to_motion
from backend.motion.words import Part, parse
from protocol.errors import BadRequest
from protocol.motion import Motion
from protocol.skeleton import Skeleton

UNSURE = 0.3  # a score below it means that the words say nothing that is known
MOODS = frozenset(MANNERS) - {"fast", "slow", "big", "small", "crouched", "tiptoe", "sneaky"}
"""Manners of a person, which last; the others are said of what is done."""
ALIKE = 0.45  # cosine of sentence vectors from which a caption is taken to say the same
STEPS_SECONDS = 0.35  # in which one thing leads into the next

Tell = Callable[[float, str], None]
Candidates = Callable[[str, Figure, float, int, bool], Take]
"""(text, figure, fps, frames, loop) -> a take, for what is not known otherwise."""


@dataclass(frozen=True)
class Chosen:
    """One part of a performance. score: how sure. begin, frames: its stretch."""

    part: Part
    entry: Entry
    score: float
    manner: Manner
    layers: tuple[Entry, ...] = ()
    begin: int = 0
    frames: int = 0

    def to_map(self) -> dict[str, Any]:
        return {
            "text": self.part.text, "motion": self.entry.name,
            "source": "clip" if self.entry.clip >= 0 else "generator", "score": round(self.score, 3),
            "manner": sorted(set(self.part.manners)), "begin": self.begin, "frames": self.frames,
            "over": [one.name for one in self.layers],
        }


@dataclass(frozen=True, eq=False)
class Performance:
    """take: on the figure, travelling. motion: as it was asked for. parts: what was chosen. notes: for the user."""

    take: Take
    motion: Motion
    parts: list[Chosen]
    notes: list[str] = field(default_factory=list)


def perform(
    prompt: str, skeleton: Skeleton, seconds: float = 0.0, fps: float = 30.0, seed: int = 0, *,
    roles: Sequence[str] | None = None, loop: str = "auto", root_mode: str = "in_place", style: float = 1.0,
    clips: Sequence[Clip] = (),
) -> Motion:
    """The motion that a sentence means, on a skeleton with the roles of a human. Raises BadRequest for others.

    seconds: 0 for what is natural. See `compose`.
    """
    figure = Figure.of(skeleton, roles)
    return compose(prompt, figure, fps, round(seconds * fps), seed, loop=loop, root_mode=root_mode, style=style,
                   clips=clips).motion


def compose(
    prompt: str, figure: Figure, fps: float = 30.0, frames: int = 0, seed: int = 0, *, loop: str = "auto",
    root_mode: str = "in_place", style: float = 1.0, method: str = "auto", mirrored: bool = False,
    clips: Sequence[Clip] = (), encode: Encode | None = None, candidates: Candidates | None = None,
    tell: Tell = lambda share, text: None, show: Callable[[Take], None] = lambda take: None,
) -> Performance:
    """The whole way. frames: exactly so many, 0 for what is natural. loop: auto, yes or no. style: strength of manners.
    method: as of AnimateSpec. seed: what is drawn is the same for the same one. show: called with what there is so far.

    Raises BadRequest when `method` is clips and there are none.
    """
    if method == "clips" and not clips:
        raise BadRequest(
            "There are no clips to choose from.", path="method",
            hint="Start the worker with MAQUETTE_MOTION_FOLDER naming a folder with glb or bvh files, send Actions "
                 "with the job, or set `method` to auto.",
        )
    index = Index(_entries(method, clips))
    notes: list[str] = []
    chosen = _choose(parse(prompt), index, style, method, notes, np.random.default_rng(seed), encode,
                     candidates is not None)
    if not fps > 0:
        raise BadRequest("fps must be above 0.", path="fps")
    endless = loop == "yes" or (loop == "auto" and len(chosen) == 1 and (chosen[0].entry.cyclic or chosen[0].part.loop))
    shares = _lengths(chosen, frames, fps)
    takes: list[Take] = []
    places: list[Chosen] = []
    seated = False
    for number, (one, length) in enumerate(zip(chosen, shares, strict=True)):
        tell(number / len(chosen), one.part.text)
        alone = endless and len(chosen) == 1
        if one.entry.name == "candidates" and candidates is not None:
            take = candidates(one.part.text, figure, fps, length or round(2.0 * fps), alone)
        else:
            take = _take(one, figure, fps, length, clips, alone, seated)
        if mirrored:
            take = mirror(take)
        seated = one.entry.name in repertoire.ENDS_SEATED or (seated and one.entry.name in repertoire.SEATED)
        begin = sum(len(before) for before in takes)
        places.append(replace(one, begin=begin, frames=len(take)))
        takes.append(take)
        show(takes[0] if len(takes) == 1 else join(takes, STEPS_SECONDS))
    whole = takes[0] if len(takes) == 1 else planted(figure, join(takes, STEPS_SECONDS))
    if len(takes) > 1 and chosen[0].part.direction == "in":  # "walks in": the spot is where the walk ends
        end = whole.path[min(places[0].frames, len(whole)) - 1].copy()
        root = whole.root.copy()
        root[:, :2] -= end
        whole = replace(whole, root=root, path=whole.path - end)
    if endless and not whole.loop:
        whole = looped(figure, whole, always=True)
        if whole.contacts.any():
            whole = planted(figure, whole)
    if frames and len(whole) != frames:
        whole = resample(whole, fps, frames=frames)
    tell(1.0, "ready")
    return Performance(whole, to_motion(whole, figure, root_mode), places, notes)


def _entries(method: str, clips: Sequence[Clip]) -> list[Entry]:
    recorded = [entry_of_clip(one.name, number, one.take.seconds) for number, one in enumerate(clips)]
    if method == "clips":
        return recorded
    return [*GENERATORS, *recorded] if method != "generators" else list(GENERATORS)


def _choose(
    parts: Sequence[Part], index: Index, style: float, method: str, notes: list[str], random: np.random.Generator,
    encode: Encode | None, can_find: bool,
) -> list[Chosen]:
    chosen: list[Chosen] = []
    moods: tuple[str, ...] = ()
    for part in parts:
        entry, score = index.best(part)[0]
        known = bool(set(part.concepts) & entry.known) or score >= UNSURE
        if not known and encode is not None:  # words that no list has: what do they resemble?
            near, cosine = index.resembling(part.text, encode)
            if cosine >= ALIKE:
                entry, score, known = near, cosine, True
                notes.append(f"{part.text!r} is taken for: {near.caption}.")
        manners = part.manners or moods
        moods = tuple(word for word in part.manners if word in MOODS) or moods
        if entry.name == "sneak":
            manners = tuple(dict.fromkeys(("sneaky", *manners)))
        manners = tuple(word for word in manners if word in MANNERS)
        if (method in ("candidates", "latent") or not known) and can_find:
            entry, score = Entry("candidates", (), part.text, False, -1, 2.0), 0.0
        elif not known:
            entry = entry if score > 0 else next((one for one in index.entries if one.name == "idle"), entry)
            notes.append(f"No motion is known for {part.text!r}; the nearest is {entry.name.replace('_', ' ')}.")
        layers = tuple(index.best(one)[0][0] for one in part.layers)
        chosen.append(Chosen(part, entry, score, _varied(manner_of(manners, style), random), layers))
    return chosen


def _varied(manner: Manner, random: np.random.Generator) -> Manner:
    """No two people move alike: a few hundredths of difference, drawn."""
    by = 1.0 + 0.03 * (random.random(4) - 0.5) * 2
    return replace(manner, swing=manner.swing * by[0], sway=manner.sway * by[1], lift=manner.lift * by[2],
                   size=manner.size * by[3])


def _lengths(chosen: Sequence[Chosen], frames: int, fps: float) -> list[int]:
    """Frames of each part, 0 for natural: said seconds stay; the others share what is left by what is natural."""
    said = [round(one.part.seconds * fps) for one in chosen]
    if not frames:
        return said
    if len(chosen) == 1:
        return [frames]
    natural = [
        said[n] / fps or repertoire.natural_seconds(one.entry, one.part, one.manner) or 3.0
        for n, one in enumerate(chosen)
    ]
    left = frames - sum(said)
    free = sum(natural[n] for n in range(len(chosen)) if not said[n])
    if left < len(chosen) or not free:
        return [max(2, round(frames * one / sum(natural))) for one in natural]
    return [said[n] or max(2, round(left * natural[n] / free)) for n in range(len(chosen))]


def _take(
    one: Chosen, figure: Figure, fps: float, frames: int, clips: Sequence[Clip], loop: bool, seated: bool
) -> Take:
    if one.entry.clip >= 0:
        take = _recorded(one, figure, fps, frames, clips, loop)
    elif seated and one.entry.name in repertoire.SEATED:
        over = repertoire.make(one.entry, one.part, figure, fps, frames, one.manner, loop)
        base = repertoire.make(_generator("sitting"), one.part, figure, fps, len(over), one.manner, loop)
        take = layer(base, over, repertoire.over(one.entry))
    else:
        take = repertoire.make(one.entry, one.part, figure, fps, frames, one.manner, loop)
    for entry, part in zip(one.layers, one.part.layers, strict=True):
        if entry.clip >= 0:
            over = _recorded(replace(one, part=part, entry=entry), figure, fps, len(take), clips, loop)
        elif entry.name in repertoire.GAITS or entry.name == "crawl":
            continue
        else:
            over = repertoire.make(entry, part, figure, fps, len(take), one.manner, take.loop)
        take = layer(take, over, repertoire.over(entry) if entry.clip < 0 else ARM_JOINTS)
    return take


def _generator(name: str) -> Entry:
    return next(one for one in GENERATORS if one.name == name)


def _recorded(one: Chosen, figure: Figure, fps: float, frames: int, clips: Sequence[Clip], loop: bool) -> Take:
    """A clip on this figure: carried over, in the manner, as often as the length wants, cleaned."""
    clip = clips[one.entry.clip]
    take = carried(clip, figure)
    take = styled(figure, take, one.manner)
    if (loop or one.entry.cyclic) and not take.loop:
        take = looped(figure, take)
    take = planted(figure, resample(take, fps))
    if take.loop and frames:
        rounds = max(1, round(frames / len(take)))
        each = resample(take, fps, frames=max(2, round(frames / rounds)))
        take = _rounds(each, rounds, loop)
    elif frames and not take.loop and len(take) < frames:
        repeats = max(1, round(frames / len(take)))
        take = join([take] * repeats, 0.3) if repeats > 1 else take
    if not loop and take.loop:
        take = cut(take, 0, len(take))
    return take


def _rounds(take: Take, rounds: int, loop: bool) -> Take:
    """A loop as often as said, one behind the other."""
    if rounds == 1:
        return take
    stride = np.asarray(take.stride)
    ways = [np.array([*(stride * n), 0.0]) for n in range(rounds)]
    return replace(
        take, turns=np.concatenate([take.turns] * rounds), root=np.concatenate([take.root + way for way in ways]),
        contacts=np.concatenate([take.contacts] * rounds), grip=np.concatenate([take.grip] * rounds),
        path=np.concatenate([take.path + way[:2] for way in ways]), loop=loop,
        stride=(float(stride[0] * rounds), float(stride[1] * rounds)) if loop else (0.0, 0.0),
    )
