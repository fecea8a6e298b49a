# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a language's .po file, the form that translators and their programs (Poedit, Weblate, Blender's own) know.

Only what these files hold here: sentences with one translation each, over one line or several; comments are passed
over, and so is an entry that nobody has translated yet.
"""

from __future__ import annotations

import json
from pathlib import Path

KEYS = ("msgid", "msgstr")


class BrokenFile(ValueError):
    """A line that belongs to no entry; the text says which."""


def read(path: Path) -> dict[str, str]:
    """English sentence -> translation. Raises BrokenFile, OSError."""
    texts: dict[str, str] = {}
    entry = dict.fromkeys(KEYS, "")
    key = ""
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), 'msgid ""'], 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        word, _, quoted = line.partition(" ") if not line.startswith('"') else (key, "", line)
        if word == "msgid" and not line.startswith('"'):
            if entry["msgid"] and entry["msgstr"]:
                texts[entry["msgid"]] = entry["msgstr"]
            entry = dict.fromkeys(KEYS, "")
        try:
            entry[word] += json.loads(quoted)  # both write strings as C does
        except (KeyError, ValueError) as problem:
            raise BrokenFile(f"{path.name}, line {number} is no part of an entry: {line}") from problem
        key = word
    return texts
