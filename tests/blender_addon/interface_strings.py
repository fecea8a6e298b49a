# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every sentence that the add-on can show, by reading its sources.

A string with values in it (`f"{name} has no faces"`) is found as its form, `{0} has no faces`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "blender_addon"
LEFT_OUT = ("__main__.py", "translations", "batch")
"""The demo and the batch talk to a shell, which has no language; the dictionaries are what is compared with."""
DRAWN = {"label", "prop", "operator", "menu", "prop_search", "template_ID", "popover", "textbox"}
SAID = {"say": 0, "sentence": 0, "report": 1, "paragraph": 2, "poll_message_set": 0}
"""Functions whose argument at this place is shown."""


def forms(node: ast.AST | None) -> Iterator[str]:
    """The strings that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from forms(node.body)
        yield from forms(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        number, parts = 0, []
        for piece in node.values:
            if isinstance(piece, ast.Constant):
                parts.append(str(piece.value))
            else:
                parts.append(f"{{{number}}}")
                number += 1
        yield "".join(parts)
    elif isinstance(node, ast.Call) and called(node) in ("say", "sentence"):
        yield from forms(node.args[0])


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def keyword(node: ast.Call, *names: str) -> Iterator[ast.expr]:
    return (one.value for one in node.keywords if one.arg in names)


def in_call(node: ast.Call) -> Iterator[str]:
    name = called(node)
    if name.endswith("Property"):
        for value in keyword(node, "name", "description"):
            yield from forms(value)
    elif name == "Kind":
        for value in keyword(node, "label", "description", "prompt"):
            yield from forms(value)
    elif name in DRAWN and not list(keyword(node, "translate")):
        for value in keyword(node, "text", "placeholder"):
            yield from forms(value)
    elif name in SAID and len(node.args) > SAID[name]:
        yield from forms(node.args[SAID[name]])
    elif isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value).endswith("errors"):
        for value in (*node.args[:1], *keyword(node, "hint")):
            yield from forms(value)


def in_assignment(node: ast.Assign) -> Iterator[str]:
    names = {target.id for target in node.targets if isinstance(target, ast.Name)}
    if names & {"bl_label", "bl_description", "PLACEHOLDER", "HELP", "MAKE"}:
        yield from forms(node.value)
    if isinstance(node.value, ast.Tuple):  # items of an enum: (identifier, name, description, ...)
        for item in node.value.elts:
            if isinstance(item, ast.Tuple) and len(item.elts) >= 3:
                for part in item.elts[1:3]:
                    yield from forms(part)


def shown() -> dict[str, str]:
    """Every sentence with the place where it stands."""
    found: dict[str, str] = {}
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] in LEFT_OUT:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                strings = in_call(node)
            elif isinstance(node, ast.Assign):
                strings = in_assignment(node)
            elif isinstance(node, ast.Return) and path.name == "kinds.py":  # complaints
                strings = forms(node.value)
            elif isinstance(node, ast.FunctionDef) and node.name == "complaint":
                strings = (text for one in ast.walk(node) if isinstance(one, ast.Return) for text in forms(one.value))
            else:
                continue
            for text in strings:
                if any(letter.isalpha() for letter in text.replace("{0}", "")):
                    found.setdefault(text, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found
