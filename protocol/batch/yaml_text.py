# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of text as `plain_yaml` meets them: scalars, quotes that go on over lines, comments, open brackets."""

from __future__ import annotations

import re
from typing import Any

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def scalar(text: str) -> Any:
    """A plain scalar: null, true, false, a whole number, a number, or the text itself."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def skip(text: str, at: int) -> int:
    """The place of the next letter that is no space."""
    while at < len(text) and text[at] == " ":
        at += 1
    return at


def folded(parts: list[str], escapes: bool = False) -> str:
    """Lines as one: a line end is a space, an empty line a line end; with escapes, a backslash at the end joins."""
    whole, breaks = parts[0], 0
    for part in parts[1:]:
        if not part:
            breaks += 1
            continue
        if escapes and re.search(r"(?<!\\)(\\\\)*\\$", whole) and not breaks:
            whole = whole[:-1] + part
        else:
            whole += ("\n" * breaks or " ") + part
        breaks = 0
    return whole


def closing(mark: str, text: str, at: int) -> int:
    """Where the quote is closed that is open before `at`; -1 where it is not."""
    while at < len(text):
        if mark == '"' and text[at] == "\\":
            at += 1
        elif text[at] == mark:
            if mark == '"' or text[at + 1: at + 2] != mark:
                return at
            at += 1
        at += 1
    return -1


def open_brackets(text: str) -> bool:
    """Whether there are more opening than closing brackets outside of quotes."""
    count, at, before = 0, 0, " "
    while at < len(text):
        letter = text[at]
        if letter in "\"'" and before in " [{,:":
            end = closing(letter, text, at + 1)
            if end < 0:
                return False
            at = end
        else:
            count += (letter in "[{") - (letter in "]}")
        before = letter
        at += 1
    return count > 0


def without_comment(line: str) -> str:
    """The line up to a `#` that begins a comment: at its start or after a space, outside quotes."""
    at, before = 0, " "
    while at < len(line):
        letter = line[at]
        if letter == "#" and before in " \t":
            return line[:at]
        if letter in "\"'" and before in " \t[{,:":
            end = closing(letter, line, at + 1)
            if end < 0:
                return line
            at = end
        before = letter
        at += 1
    return line
