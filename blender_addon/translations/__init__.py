# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in other languages, through Blender's own translation system.

Labels, tooltips and enum items are found by Blender itself once `register` was called; what the code puts together
goes through `words.say`. Sentences with values in them that come from elsewhere, such as an error of the hub, are
recognised by their form (`sentence`): "{0} has no faces" in the files stands for every object. A language is one .po
file here and a line in `FILES`.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import bpy

from . import po

FILES = {
    "de_DE": "de.po",
    "de": "de.po",
    "zh_HANS": "zh_HANS.po",
    "zh_CN": "zh_HANS.po",  # its name before Blender 4.0
}
"""Blender's name of a language -> the file of its sentences."""
CONTEXT = "Maquette"
"""Where our own words are looked up: Blender calls the feather of a mask what a bird has, in German."""
CONTEXTS = (CONTEXT, "*", "Operator")
"""The other two are for what takes no context: descriptions, and everything in old Blenders."""

_NUMBERED = re.compile(r"\{(\d)\}")


@functools.cache
def texts(file: str) -> dict[str, str]:
    """The sentences of a language's file, by the English ones. {places} stay as they are."""
    return po.read(Path(__file__).parent / file)


def table() -> dict[str, dict[tuple[str, str], str]]:
    """What Blender's registration wants."""
    return {
        locale: {(context, text): translated for text, translated in texts(file).items() for context in CONTEXTS}
        for locale, file in FILES.items()
    }


def claim(cls: type) -> type:
    """Have the label of a class and the names of its properties looked up among our own words; before it is registered.
    """
    if hasattr(cls, "bl_label"):
        cls.bl_translation_context = CONTEXT  # type: ignore[attr-defined]
    if "translation_context" in bpy.props.StringProperty.__doc__:  # 3.6
        for base in cls.__mro__:
            for one in vars(base).get("__annotations__", {}).values():
                if hasattr(one, "keywords"):
                    one.keywords.setdefault("translation_context", CONTEXT)
    return cls


def register(package: str) -> None:
    bpy.app.translations.register(package, table())


def unregister(package: str) -> None:
    bpy.app.translations.unregister(package)


def say(text: str) -> str:
    """One of our own texts in the language of the interface."""
    return bpy.app.translations.pgettext_iface(text, CONTEXT)


@functools.lru_cache(maxsize=1)
def _forms() -> list[tuple[re.Pattern[str], str]]:
    """(what a filled-in sentence looks like, its form with numbered places), the longest first."""
    forms = [text for text in texts("de.po") if _NUMBERED.search(text)]
    found = []
    for form in sorted(forms, key=len, reverse=True):
        pieces = _NUMBERED.split(form)  # text, number, text, number, ..., text
        pattern = "".join(re.escape(piece) if at % 2 == 0 else f"(?P<p{piece}>.*?)" for at, piece in enumerate(pieces))
        found.append((re.compile(pattern, re.DOTALL), form))
    return found


def sentence(text: str) -> str:
    """A finished English sentence in the language of the interface; as it is where nobody has translated it."""
    translated = say(text)
    if translated != text or not _speaks_another():
        return translated
    for pattern, form in _forms():
        match = pattern.fullmatch(text)
        if match is not None:
            other = say(form)
            if other != form:
                pieces = _NUMBERED.split(other)
                return "".join(piece if at % 2 == 0 else match[f"p{piece}"] for at, piece in enumerate(pieces))
    return text


def _speaks_another() -> bool:
    """Is the interface in one of our languages?"""
    view = bpy.context.preferences.view
    return view.use_translate_interface and bpy.app.translations.locale in FILES
