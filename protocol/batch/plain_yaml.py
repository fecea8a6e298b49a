# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of YAML that people and programs write, read without surprises; Blender's Python brings no YAML of its own.

Block and flow lists and maps, plain, quoted and block scalars (`|`, `>`), comments; text and brackets may go on over
several lines, so that what PyYAML and json.dump write is read too. Scalars follow YAML 1.2's core schema: `no` is a
word, not false. Anchors, tags, several documents and keys given twice are refused with their line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import BadRequest
from . import yaml_text
from .yaml_text import scalar

__all__ = ["load", "scalar"]

_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s\[\]{},#&*!|>'"%@`?-][^#:]*?|-[^\s:][^:]*?) *:(?= |$)""")
_FLOW_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*') *:""")  # of JSON, which wants no space behind it
_ESCAPES = {
    "n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "0": "\0", "r": "\r", "a": "\a", "b": "\b", "v": "\v",
    "f": "\f", "e": "\x1b", " ": " ", "_": "\xa0", "N": "\x85", "L": "\u2028", "P": "\u2029",
}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_DEPTH = 20


def load(text: str) -> Any:
    """The value that the text describes; None for an empty one. Raises BadRequest with the line."""
    if text.startswith("\ufeff"):
        text = text[1:]
    return _Reader(text).document()


@dataclass(frozen=True)
class _Line:
    number: int
    indent: int
    text: str  # without indent and comment
    raw: str


class _Reader:
    def __init__(self, text: str) -> None:
        self._raw = text.splitlines()
        self._lines: list[_Line] = []
        self._at = 0
        for number, raw in enumerate(self._raw, 1):
            content = yaml_text.without_comment(raw).rstrip(" \t")
            indent = len(content) - len(content.lstrip(" "))
            if content.lstrip(" ").startswith("\t"):
                raise _problem(number, "is indented with a tab; YAML wants spaces")
            self._lines.append(_Line(number, indent, content.strip(" "), raw))

    def document(self) -> Any:
        if self._next() is not None and self._lines[self._at].text == "---":
            self._at += 1
        line = self._next()
        if line is None:
            return None
        value = self._block(line.indent, -1, 0)
        left = self._next()
        if left is not None:
            several = left.text in ("---", "...")
            raise _problem(left.number, "begins a second document" if several else "does not belong to what is before")
        return value

    def _next(self) -> _Line | None:
        """The next line that says something, without taking it."""
        while self._at < len(self._lines) and not self._lines[self._at].text:
            self._at += 1
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _block(self, indent: int, outer: int, depth: int) -> Any:
        """What begins in column `indent`, inside of something that begins in column `outer`."""
        line = self._next()
        assert line is not None
        if depth > _DEPTH:
            raise _problem(line.number, f"is nested more than {_DEPTH} deep")
        if line.text == "-" or line.text.startswith("- "):
            return self._list(indent, depth)
        if _KEY.match(line.text):
            return self._map(indent, depth)
        self._at += 1
        return self._value(line, line.text, outer, depth)

    def _list(self, indent: int, depth: int) -> list[Any]:
        values: list[Any] = []
        while (line := self._next()) is not None and line.indent == indent and (line.text + " ").startswith("- "):
            rest = line.text[1:].lstrip(" ")
            if not rest:
                self._at += 1
                below = self._next()
                values.append(self._block(below.indent, indent, depth + 1) if below and below.indent > indent else None)
            else:  # what stands after the dash goes on as a block that begins in its column
                column = indent + len(line.text) - len(rest)
                self._lines[self._at] = _Line(line.number, column, rest, line.raw)
                values.append(self._block(column, indent, depth + 1))
        self._expect_end(indent)
        return values

    def _map(self, indent: int, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while (line := self._next()) is not None and line.indent == indent and line.text not in ("---", "..."):
            match = _KEY.match(line.text)
            if match is None:
                raise _problem(line.number, "is no `name: value`")
            key = str(self._quoted(line, match[1]) if match[1][0] in "\"'" else match[1])
            if key in values:
                raise _problem(line.number, f"gives {key} a second time")
            self._at += 1
            rest = line.text[match.end():].strip(" ")
            if rest:
                values[key] = self._value(line, rest, indent, depth)
                continue
            below = self._next()
            deeper = below is not None and (
                below.indent > indent or below.indent == indent and (below.text + " ").startswith("- ")
            )
            values[key] = self._block(below.indent, indent, depth + 1) if below is not None and deeper else None
        self._expect_end(indent)
        return values

    def _expect_end(self, indent: int) -> None:
        line = self._next()
        if line is not None and line.indent > indent:
            raise _problem(line.number, "is indented more than what it belongs to")

    def _value(self, line: _Line, text: str, outer: int, depth: int) -> Any:
        """A value that begins with `text` and goes on over the lines that are indented more than `outer`."""
        if text[0] in "|>":
            return self._literal(line, text)
        if text[0] in "[{":
            text = self._whole_brackets(line, text, outer)
            value, end = self._flow(line, text, 0, depth)
            if text[end:].strip():
                raise _problem(line.number, f"has {text[end:].strip()!r} after the closing bracket")
            return value
        if text[0] in "\"'":
            return self._quoted(line, self._whole_quote(line, text, outer))
        parts = [text]
        last = line
        while self._goes_on(outer) and last.raw.rstrip(" \t").endswith(last.text):  # a comment ends it
            last = self._lines[self._at]
            if _KEY.match(last.text):
                raise _problem(last.number, "is indented more than what it belongs to")
            parts.append(last.text)
            self._at += 1
        return self._plain(line, yaml_text.folded(parts))

    def _plain(self, line: _Line, text: str) -> Any:
        if text[0] in "&*!":
            raise _problem(line.number, f"begins with {text[0]!r}: anchors, aliases and tags are not supported")
        if text[0] in "%@`" or ": " in text or text.endswith(":"):
            raise _problem(line.number, f"holds {text!r}, which needs quotes around it")
        return scalar(text)

    def _goes_on(self, outer: int) -> bool:
        """Whether the next line that says something belongs to the value before it."""
        ahead = self._at
        while ahead < len(self._lines) and not self._lines[ahead].raw.strip():
            ahead += 1
        if ahead == len(self._lines) or self._lines[ahead].text in ("", "---", "..."):
            return False
        return self._lines[ahead].indent > outer

    def _whole_quote(self, line: _Line, text: str, outer: int) -> str:
        """A quoted text up to the line that closes it, folded; what looks like a comment in it is none."""
        mark, parts = text[0], [text]
        if yaml_text.closing(mark, text, 1) >= 0:
            return text
        while self._at < len(self._lines):
            following = self._lines[self._at]
            raw = following.raw.strip(" \t")
            if raw and len(following.raw) - len(following.raw.lstrip(" ")) <= outer:
                break
            self._at += 1
            end = yaml_text.closing(mark, raw, 0)
            if end >= 0:
                rest = raw[end + 1:].strip()
                if rest and not (rest.startswith("#") and raw[end + 1] in " \t"):
                    raise _problem(following.number, f"has {rest!r} after the closing quote")
                parts.append(raw[: end + 1])
                return yaml_text.folded(parts, escapes=mark == '"')
            parts.append(raw)
        raise _problem(line.number, "has a quote that is not closed")

    def _whole_brackets(self, line: _Line, text: str, outer: int) -> str:
        """A value in brackets up to the line that closes it."""
        while yaml_text.open_brackets(text) and self._at < len(self._lines):
            following = self._lines[self._at]
            if following.text and following.indent <= outer and following.text[0] not in "]}":
                break
            text += " " + following.text
            self._at += 1
        return text

    def _quoted(self, line: _Line, text: str) -> str:
        mark = text[0]
        if len(text) < 2 or text[-1] != mark:
            raise _problem(line.number, "has a quote that is not closed")
        inside = text[1:-1]
        if mark == "'":
            if "'" in inside.replace("''", ""):
                raise _problem(line.number, "has a quote inside quotes; write it twice")
            return inside.replace("''", "'")

        def unescape(match: re.Match[str]) -> str:
            found = match[1]
            if len(found) > 1 and int(found[1:], 16) <= 0x10FFFF:
                return chr(int(found[1:], 16))
            if found not in _ESCAPES:
                raise _problem(line.number, f"has the unknown escape \\{found}")
            return _ESCAPES[found]

        if re.search(r'(?<!\\)(\\\\)*"', inside):
            raise _problem(line.number, "has a quote inside quotes; write a backslash before it")
        try:  # JSON writes what lies outside the basic plane as two halves
            return _ESCAPE.sub(unescape, inside).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise _problem(line.number, "has half of a pair of escapes (surrogates)") from None

    def _literal(self, line: _Line, text: str) -> str:
        """A block of text: `|` keeps its line ends, `>` joins its lines; `-` leaves the last line end out."""
        if text not in ("|", ">", "|-", ">-"):
            raise _problem(line.number, f"has the block header {text!r}; only |, >, |- and >- are supported")
        begin = self._at
        least = min((one.indent for one in self._lines[:begin] if one.number == line.number), default=0)
        kept: list[str] = []
        own: int | None = None
        while self._at < len(self._lines):
            raw = self._lines[self._at].raw
            if raw.strip():
                indent = len(raw) - len(raw.lstrip(" "))
                if indent <= least or (own is not None and indent < own):
                    break
                own = indent if own is None else own
            kept.append(raw[own:] if own is not None else "")
            self._at += 1
        while kept and not kept[-1].strip():
            kept.pop()
        joined = "\n".join(kept) if text[0] == "|" else re.sub(r"(?<!\n)\n(?!\n)", " ", "\n".join(kept))
        return joined if text.endswith("-") or not joined else joined + "\n"

    def _flow(self, line: _Line, text: str, at: int, depth: int) -> tuple[Any, int]:
        """A list or map in brackets, from `at`; gives it and the place behind it."""
        if depth > _DEPTH:
            raise _problem(line.number, f"is nested more than {_DEPTH} deep")
        close = "]" if text[at] == "[" else "}"
        values: list[Any] = []
        pairs: dict[str, Any] = {}
        at += 1
        while True:
            at = yaml_text.skip(text, at)
            if at >= len(text):
                raise _problem(line.number, f"has no closing {close}")
            if text[at] == close:
                return (values if close == "]" else pairs), at + 1
            key = None
            if close == "}":
                match = _FLOW_KEY.match(text[at:]) or _KEY.match(text[at:])
                if match is None:
                    raise _problem(line.number, "has something in braces that is no `name: value`")
                key = str(self._quoted(line, match[1]) if match[1][0] in "\"'" else match[1])
                if key in pairs:
                    raise _problem(line.number, f"gives {key} a second time")
                at = yaml_text.skip(text, at + match.end())
            value, at = self._flow_value(line, text, at, depth)
            if key is None:
                values.append(value)
            else:
                pairs[key] = value
            at = yaml_text.skip(text, at)
            if at < len(text) and text[at] == ",":
                at += 1
            elif at < len(text) and text[at] != close:
                raise _problem(line.number, f"wants a comma or {close} between values in brackets")

    def _flow_value(self, line: _Line, text: str, at: int, depth: int) -> tuple[Any, int]:
        if at < len(text) and text[at] in "[{":
            return self._flow(line, text, at, depth + 1)
        quoted = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'').match(text, at)
        if quoted:
            return self._quoted(line, quoted[0]), quoted.end()
        end = at
        while end < len(text) and text[end] not in ",]}":
            end += 1
        plain = text[at:end].strip(" ")
        return (self._plain(line, plain) if plain else None), end


def _problem(number: int, what: str) -> BadRequest:
    return BadRequest(f"Line {number} {what}.", path="manifest", detail={"line": number})
