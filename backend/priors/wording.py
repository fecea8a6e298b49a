# SPDX-License-Identifier: GPL-3.0-or-later
"""A prompt as the embedded prior can read it: its spelling mended, German, Chinese and emoji put into its few words.

The prior was trained on short English captions, and to its encoder "mushrom" or "Pilz" is noise. Larger priors read
what was typed. Nothing is guessed: a word is respelt only where it is no English word and lies next to exactly one that
the prior knows, and a prompt counts as German only where most of it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from backend.priors import glossary as words

FAR = ((8, 2), (6, 2), (4, 1))
"""So many letters of a word, and how many of them may be wrong, missing or changed with their neighbour."""
FUNCTION_WORDS = ("with", "next", "wearing", "made", "that", "wears", "beside", "standing", "small", "large")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


def read_as(prompt: str, known: Collection[str], is_word: Callable[[str], bool], keep: Collection[str] = ()) -> str:
    """The prompt in the prior's words; the very same text where there is nothing to do.

    known: the words that the prior was trained on. is_word: whether something is an English word at all. keep: words
    that a job has learned, which stay as they are.
    """
    text = _of_emoji(prompt)
    text = _of_chinese(text) if _HAN.search(text) else _of_german(text)
    return _spelt(text, known, is_word, {one.lower() for one in keep})


def _of_emoji(prompt: str) -> str:
    """Pictures as words; in a prompt of nothing else, colours first: a red white mushroom."""
    plain = prompt.replace("\ufe0f", "")
    every = {**words.EMOJI, **words.EMOJI_COLOURS}
    if not any(one in plain for one in every):
        return prompt
    rest = "".join(one for one in plain if one not in every)
    if not rest.strip():
        found = [one for one in plain if one in every]
        colours = [words.EMOJI_COLOURS[one] for one in found if one in words.EMOJI_COLOURS]
        things = [words.EMOJI[one] for one in found if one in words.EMOJI]
        return " ".join(["a", *colours, " next to a ".join(things)]).strip()
    for one, meaning in every.items():
        plain = plain.replace(one, f" {meaning} ")
    return " ".join(plain.split())


def _of_german(prompt: str) -> str:
    """English where more than half of the words are German and none is English only."""
    tokens = [one.lower() for one in _WORD.findall(prompt)]
    found = [_german(one) for one in tokens]
    if not tokens or words.ENGLISH_ONLY & set(tokens) or 2 * sum(map(bool, found)) <= len(tokens):
        return prompt
    text = _WORD.sub(lambda match: _german(match[0].lower()) or match[0], prompt)
    text = re.sub(r"\bwith (?:a|the) ([\w ]+?) wearing\b", r"wearing a \1", text)
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def _german(word: str) -> str:
    """The English of a German word in any of its forms; empty where it has none."""
    every = {**words.GERMAN_WORDS, **words.GERMAN_THINGS}
    for ending in words.GERMAN_ENDINGS:
        if word.endswith(ending) and (stem := word[: len(word) - len(ending)]) in every:
            return every[stem]
    for material, meaning in words.GERMAN_MATERIALS.items():
        if word.startswith(material) and (thing := words.GERMAN_THINGS.get(word[len(material):])):
            return f"{meaning} {thing}"
    return ""


def _of_chinese(prompt: str) -> str:
    """English in the order of an English phrase: what stands before `的` behind 带, 有 or 戴 comes last."""
    text = re.sub(r"[，。！、,.!]", "", prompt)
    worn = re.search(r"(?:戴着?|穿着?)(.+?)的(.+)$", text)
    has = re.search(r"(?:带着?|有)(.+?)的?(?:的(.+))?$", text)
    place = re.search(r"^(?:在)?(.+?)(上面?|旁边?)(?:的)(.+)$", text)
    if place:
        relation = "on" if place[2].startswith("上") else "next to"
        return f"{_thing(place[3])} {relation} {_thing(place[1])}"
    if worn:
        return f"{_thing(text[:worn.start()] + worn[2])} wearing {_thing(worn[1])}"
    if has:
        return f"{_thing(text[:has.start()] + (has[2] or ''))} with {_thing(has[1], part=True)}"
    return _thing(text)


def _thing(text: str, part: bool = False) -> str:
    """A noun phrase. part: of what a thing has, its patterns are nouns and it has no article."""
    every = {**words.CHINESE_WORDS, **words.CHINESE_THINGS}
    longest = max(map(len, every))
    found: list[str] = []
    at = 0
    while at < len(text):
        piece = next((text[at:at + size] for size in range(longest, 0, -1) if text[at:at + size] in every), "")
        if piece:
            found.append(every[piece])
        elif text[at] not in words.CHINESE_SILENT:
            found.append(text[at])
        at += max(1, len(piece))
    if part:
        found = [words.CHINESE_NOUNS.get(one, one) for one in found]
        if found and found[-1] in words.CHINESE_NOUNS.values():
            return " ".join(found)
    phrase = " ".join(found)
    return f"{'an' if phrase[:1] in 'aeiou' else 'a'} {phrase}" if phrase else ""


def _spelt(prompt: str, known: Collection[str], is_word: Callable[[str], bool], keep: Collection[str]) -> str:
    targets = {part for one in (*known, *FUNCTION_WORDS) for part in one.lower().split() if part.isalpha()}
    targets |= {f"{one}s" for one in targets if not one.endswith("s")}

    def mend(match: re.Match[str]) -> str:
        word = match[0].lower()
        allowed = next((far for length, far in FAR if len(word) >= length), 0)
        if not allowed or not word.isascii() or word in targets or word in keep or is_word(word):
            return match[0]
        near: dict[int, list[str]] = {}
        for one in targets:
            if abs(len(one) - len(word)) <= allowed and one[0] == word[0] and len(one) > 3:
                near.setdefault(distance(word, one), []).append(one)
        best = min(near, default=allowed + 1)
        nearest = sorted(near.get(best, ()), key=len)
        one_word = best <= allowed and {one.removesuffix("s") for one in nearest} == {nearest[0].removesuffix("s")}
        return nearest[0] if one_word else match[0]

    return _WORD.sub(mend, prompt)


def distance(one: str, other: str) -> int:
    """How many letters must be put in, left out, changed, or swapped with their neighbour (Damerau, 1964)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
