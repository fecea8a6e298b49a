# SPDX-License-Identifier: GPL-3.0-or-later
"""Small checks for values that come from outside: type, range and length of one field at a time.

Each maker returns a function `(value, path) -> value` that gives the value back or raises `BadRequest` naming the
field. Job specs and wire messages are both built from these, so a value is refused with the same words wherever
it enters. `type(x) is int` on purpose: a bool passes `isinstance(x, int)`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from .errors import BadRequest, TooLarge

Check = Callable[[Any, str], Any]

LINE_BREAKS = "\n\r\t"  # the control characters that a text box can produce


def text(maximum: int, *, minimum: int = 0, pattern: str = "", printable: bool = False) -> Check:
    """A string of `minimum` to `maximum` characters; `printable` refuses control characters and lone surrogates."""
    compiled = re.compile(pattern) if pattern else None

    def check(value: Any, path: str) -> str:
        if type(value) is not str:
            raise BadRequest(f"{path} must be text, not {type(value).__name__}.", path=path)
        if len(value) > maximum:
            raise TooLarge(
                f"{path} has {len(value):,} characters, at most {maximum:,} are allowed.",
                path=path, hint=f"Shorten {path}.", detail={"limit": maximum, "got": len(value)},
            )
        if len(value) < minimum:
            raise BadRequest(f"{path} has {len(value)} characters, at least {minimum} are needed.", path=path)
        if printable:
            for position, letter in enumerate(value):
                if unicodedata.category(letter) in ("Cc", "Cs") and letter not in LINE_BREAKS:
                    raise BadRequest(
                        f"{path} holds the control character U+{ord(letter):04X} at position {position}.",
                        path=path, hint="Remove it; it often comes along when text is pasted.",
                    )
        if compiled is not None and compiled.fullmatch(value) is None:
            raise BadRequest(f"{path} is {value[:80]!r}, which does not have the form {pattern}.", path=path)
        return value

    return check


def integer(low: int, high: int) -> Check:
    """A whole number in [low, high]."""

    def check(value: Any, path: str) -> int:
        if type(value) is not int:
            raise BadRequest(f"{path} must be a whole number, not {type(value).__name__}.", path=path)
        if not low <= value <= high:
            raise BadRequest(f"{path} is {value}, expected {low} to {high}.", path=path)
        return value

    return check


def number(low: float, high: float) -> Check:
    """A finite number in [low, high], given back as float."""

    def check(value: Any, path: str) -> float:
        if type(value) is not float and type(value) is not int:
            raise BadRequest(f"{path} must be a number, not {type(value).__name__}.", path=path)
        if not (math.isfinite(value) and low <= value <= high):
            raise BadRequest(f"{path} is {value}, expected {low:g} to {high:g}.", path=path)
        return float(value)

    return check


def boolean(value: Any, path: str) -> bool:
    """True or False, nothing that merely behaves so."""
    if type(value) is not bool:
        raise BadRequest(f"{path} must be true or false, not {type(value).__name__}.", path=path)
    return value


def octets(maximum: int, *, exact: int | None = None) -> Check:
    """Bytes, at most `maximum` or exactly `exact` of them."""

    def check(value: Any, path: str) -> bytes:
        if type(value) is not bytes:
            raise BadRequest(f"{path} must be bytes, not {type(value).__name__}.", path=path)
        if exact is not None and len(value) != exact:
            raise BadRequest(f"{path} has {len(value)} bytes, expected {exact}.", path=path)
        if len(value) > maximum:
            raise TooLarge(f"{path} has {len(value)} bytes, at most {maximum} are allowed.", path=path)
        return value

    return check


def one_of(*choices: str) -> Check:
    """One of a few words."""

    def check(value: Any, path: str) -> str:
        if type(value) is not str or value not in choices:
            raise BadRequest(f"{path} is {str(value)[:80]!r}, expected one of {', '.join(choices)}.", path=path)
        return value

    return check


def optional(inner: Check) -> Check:
    """None, or what `inner` accepts."""
    return lambda value, path: None if value is None else inner(value, path)


def listing(inner: Check, maximum: int) -> Check:
    """A list of at most `maximum` values that `inner` accepts, given back as a tuple."""

    def check(value: Any, path: str) -> tuple[Any, ...]:
        if type(value) not in (list, tuple):
            raise BadRequest(f"{path} must be a list, not {type(value).__name__}.", path=path)
        if len(value) > maximum:
            raise TooLarge(f"{path} has {len(value)} entries, at most {maximum} are allowed.", path=path)
        return tuple(inner(one, f"{path}[{place}]") for place, one in enumerate(value))

    return check


def mapping(value: Any, path: str) -> dict[str, Any]:
    """A map with text keys; its contents are the caller's to check."""
    if type(value) is not dict or any(type(key) is not str for key in value):
        raise BadRequest(f"{path} must be a map with text keys.", path=path)
    return value
