# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest -> the rows of a batch: YAML or JSON with `defaults` and `jobs`, or a CSV table, names in its first line.

Every row is a spec with what a batch adds to it: where its files go, which .blend it stands in, how often it is tried.
Names of folders are patterns such as `{index:03}_{prompt}`; whatever goes into them is made safe for a file's name.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .. import checks
from ..errors import BadRequest, MaquetteError
from ..specs import KINDS, MAX_SEED, Spec, spec_from_map
from . import inputs, plain_yaml
from .asked import mark

DEFAULT_OUT = "{index:03}_{name}"
MAX_ROWS = 100_000
MAX_REPEAT = 1000
SHOWN = 20  # wrong rows that an error tells one by one
NAME_LIMIT = 60  # characters of a value inside a file's name


@dataclass(frozen=True)
class Row:
    """One job of a batch.

    number: 1, 2, ... in the order of the manifest, repeats counted. id: stays the same when other rows come or go: the
    one that the manifest names, or made from the spec. out: folder for its files, relative to the batch's. blend: the
    .blend file it stands in, relative too, empty for none. place: x, y, z in metres, None to be arranged. retries: how
    often it is tried again. reseed: with another seed then. timeout: seconds of work, waiting for its turn is not
    counted, None for no limit. inputs: what goes in beside the spec, by name (see `inputs`), each file with its whole
    path. stamp: of what the files hold, so that a changed file is another job.
    """

    number: int
    id: str
    spec: Spec
    out: str
    blend: str = ""
    place: tuple[float, float, float] | None = None
    retries: int = 1
    reseed: bool = False
    timeout: float | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    stamp: str = ""

    @property
    def title(self) -> str:
        """One line for tables."""
        return self.spec.title


OWN = ("id", "kind", "out", "blend", "place", "retries", "reseed", "timeout", "repeat", "inputs")
"""Fields of a row that are not the spec's."""


def load(path: Path, settings: Sequence[str] = ()) -> list[Row]:
    """All rows of a manifest; settings: `name=value`, which go over the defaults of the file.

    Raises BadRequest that names the row and the field, all of them before anything has run.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise BadRequest(f"{path.name} is not UTF-8 text (byte {problem.start}).", path="manifest") from problem
    except OSError as problem:
        raise BadRequest(f"{path} cannot be read: {problem.strerror}.", path="manifest") from problem
    if path.suffix.lower() in (".yaml", ".yml", ".json"):  # JSON is YAML
        defaults, entries = _from_yaml(text)
    elif path.suffix.lower() == ".csv":
        defaults, entries = {}, _from_csv(text)
    else:
        raise BadRequest(f"{path.name} is no manifest.", path="manifest",
                         hint="Its name ends in .yaml, .yml, .json or .csv.")
    return rows(entries, {**defaults, **dict(_setting(one) for one in settings)}, path.parent)


def single(entry: Mapping[str, Any]) -> Row:
    """The row of one entry alone. Raises BadRequest with words for somebody who has no manifest."""
    return _row(1, entry, {})


def rows(entries: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any], folder: Path | None = None) -> list[Row]:
    """Entries and what goes for all of them -> rows. folder: their files are relative to it; None leaves them as they
    are. Raises BadRequest that names everything that is wrong, so that a long manifest is put right at once."""
    found: list[Row] = []
    seen: dict[str, int] = {}
    wrong: list[tuple[int, MaquetteError]] = []
    for position, entry in enumerate(entries, 1):
        try:
            for one in _repeated({**defaults, **entry}):
                row = _row(len(found) + 1, one, seen)
                if row.inputs and folder is not None:
                    located, stamp = inputs.located(row.inputs, folder)
                    row = replace(row, inputs=located, stamp=stamp)
                found.append(row)
        except MaquetteError as problem:
            wrong.append((position, problem))
        if len(found) > MAX_ROWS:
            raise BadRequest(f"A batch has at most {MAX_ROWS:,} jobs.", path="jobs")
    if wrong:
        raise _all_that_is_wrong(wrong)
    if not found:
        raise BadRequest("The manifest has no jobs.", path="jobs")
    folders: dict[str, Row] = {}
    for row in found:
        other = folders.setdefault(row.out.casefold(), row)
        if other is not row:
            raise BadRequest(
                f"Jobs {other.number} and {row.number} would both write to {row.out}.", path="out",
                hint="Put {index}, {seed} or {name} into the pattern of `out`.",
            )
    return found


def _all_that_is_wrong(wrong: Sequence[tuple[int, MaquetteError]]) -> BadRequest:
    """One error for all rows that are wrong; where it is one, with its hint."""
    position, first = wrong[0]
    path = str(first.detail.get("path", ""))
    if len(wrong) == 1:
        return BadRequest(f"Job {position}: {first.message}", hint=first.hint, path=path)
    lines = [f"Job {position}: {' '.join(filter(None, (one.message, one.hint)))}" for position, one in wrong[:SHOWN]]
    lines += [f"and {len(wrong) - SHOWN:,} more"] * (len(wrong) > SHOWN)
    return BadRequest("\n  ".join([f"{len(wrong):,} jobs are wrong, nothing was started.", *lines]), path=path,
                      detail={"jobs": [position for position, _ in wrong]})


def _from_yaml(text: str) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
    whole = plain_yaml.load(text)
    if isinstance(whole, list):
        whole = {"jobs": whole}
    if not isinstance(whole, dict) or not isinstance(whole.get("jobs"), list):
        raise BadRequest("The manifest needs a list called jobs.", path="jobs")
    odd = sorted(set(whole) - {"defaults", "jobs"})
    if odd:
        raise BadRequest(f"The manifest has {odd[0]}, but only defaults and jobs are known.", path=odd[0])
    defaults = whole.get("defaults") or {}
    if not isinstance(defaults, dict):
        raise BadRequest("defaults are names with values.", path="defaults")
    jobs: list[Mapping[str, Any]] = []
    for position, one in enumerate(whole["jobs"], 1):
        one = {"prompt": one} if isinstance(one, str) else one
        if not isinstance(one, dict):
            raise BadRequest(f"Job {position}: expected a prompt, or names with values.", path="jobs")
        jobs.append(one)
    return defaults, jobs


def _from_csv(text: str) -> list[Mapping[str, Any]]:
    """Empty cells count as not given. Cells are text; `_row` makes of them what their field wants."""
    try:
        first = text.split("\n", 1)[0]
        reader = csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",",
                                strict=True, skipinitialspace=True)
        names = [name.strip() for name in reader.fieldnames or ()]
        if len(set(names)) != len(names) or not all(names):
            raise BadRequest("The first line of the table needs a name for each column, each once.", path="manifest")
        reader.fieldnames = names
        table: list[Mapping[str, Any]] = []
        for number, line in enumerate(reader, 1):
            if None in line:
                raise BadRequest(f"Job {number}: more cells than the table has columns.", path="manifest",
                                 hint='Put quotes around text with commas: "red, with spots".')
            if any(cell and cell.strip() for cell in line.values()):
                table.append({name: cell.strip() for name, cell in line.items() if cell and cell.strip()})
        return table
    except csv.Error as problem:
        raise BadRequest(f"The table cannot be read: {problem}.", path="manifest") from problem


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BadRequest(f"{text!r} is no setting.", path="set", hint="It has the form name=value.")
    return name.strip(), value.strip()


def _repeated(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The entry once, or once for each of its seeds, or `repeat` times with seeds that go up."""
    values = dict(entry)
    times = values.pop("repeat", None)
    count = 1 if times is None else _typed("repeat", times, "int")
    checks.integer(1, MAX_REPEAT)(count, "repeat")
    seeds = values.get("seed")
    if isinstance(seeds, list):
        if count != 1 or not seeds:
            raise BadRequest("Give either a list of seeds or repeat.", path="seed")
        for seed in seeds:
            yield {**values, "seed": seed}
        return
    first = None if seeds is None else _typed("seed", seeds, "int | None")
    for step in range(count):
        yield values if first is None else {**values, "seed": first + step}


def _row(number: int, entry: Mapping[str, Any], seen: dict[str, int]) -> Row:
    kind = str(entry.get("kind") or "text_to_3d")
    if kind not in KINDS:
        raise BadRequest(f"There is no kind of job called {kind}.", path="kind", hint=f"Known: {', '.join(KINDS)}.")
    given_inputs = inputs.read(kind, entry.get("inputs"))
    types = {one.name: str(one.type) for one in fields(KINDS[kind])}
    for name in entry:
        if name not in types and name not in OWN:
            close = difflib.get_close_matches(str(name), [*types, *OWN], 1)
            raise BadRequest(f"There is no setting called {name}.", path=str(name),
                             hint=f"Is {close[0]} meant?" if close else f"Known: {', '.join([*types, *OWN])}.")
    values = {name: _typed(name, value, types[name]) for name, value in entry.items()
              if name in types and value is not None}
    title = str(values.get("name") or values.get("prompt") or kind)
    facts = {"index": number, "kind": kind, "seed": "", "preset": "", "prompt": "", **values, "name": title}
    if "{" in str(values.get("name", "")):
        values["name"] = facts["name"] = fill(str(values["name"]), {**facts, "name": ""})
    spec = spec_from_map(kind, values)
    given = entry.get("id")
    name = str(given) if given not in (None, "") else _identity(spec, given_inputs)
    seen[name] = seen.get(name, 0) + 1
    if seen[name] > 1:
        if given not in (None, ""):
            raise BadRequest(f"The id {name} is given twice.", path="id")
        name = f"{name}-{seen[name]}"
    facts["id"] = name
    timeout = _typed("timeout", entry.get("timeout"), "float | None")
    return Row(
        number, name, spec,
        out=_path("out", fill(str(entry.get("out") or DEFAULT_OUT), facts)),
        blend=_blend(fill(str(entry.get("blend") or ""), facts)),
        place=_place(entry.get("place")),
        retries=_checked("retries", _typed("retries", entry.get("retries", 1), "int"), 0, 100),
        reseed=_typed("reseed", entry.get("reseed", False), "bool"),
        timeout=None if timeout is None else checks.number(1.0, 1e7)(timeout, "timeout"),
        inputs=given_inputs,
    )


def _checked(name: str, value: Any, low: int, high: int) -> int:
    checks.integer(low, high)(value, name)
    return int(value)


def _identity(spec: Spec, given: Mapping[str, str]) -> str:
    """What a row is called that has no id: by what it asks for."""
    return mark(spec, *([dict(given)] if given else []))[:12]


def _typed(name: str, value: Any, wanted: str) -> Any:
    """The value as its field wants it: cells of a table are text, YAML makes a number of a prompt such as 1984."""
    if "str" in wanted:
        if isinstance(value, (dict, list)):
            raise BadRequest(f"{name} is {value!r}, expected text.", path=name)
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str):
        value = plain_yaml.scalar(value.strip())
    if value is None and "None" in wanted:
        return None
    good = (
        "bool" in wanted and isinstance(value, bool)
        or "int" in wanted and isinstance(value, int) and not isinstance(value, bool)
        or "float" in wanted and isinstance(value, (int, float)) and not isinstance(value, bool)
        or not any(word in wanted for word in ("bool", "int", "float"))
    )
    if not good:
        raise BadRequest(f"{name} is {value!r}, expected {wanted.replace(' | None', '')}.", path=name)
    return float(value) if "float" in wanted and value is not None else value


def _place(value: Any) -> tuple[float, float, float] | None:
    if value in (None, ""):
        return None
    parts = value.replace(",", " ").split() if isinstance(value, str) else value
    try:
        x, y, z = (float(part) for part in parts)
    except (TypeError, ValueError) as problem:
        raise BadRequest(f"place is {value!r}, expected x, y and z in metres.", path="place") from problem
    return x, y, z


def fill(pattern: str, facts: Mapping[str, Any]) -> str:
    """A pattern with its {names} filled in, each made safe for the name of a file. Raises BadRequest."""
    parts = []
    try:
        for text, name, form, conversion in string.Formatter().parse(pattern):
            parts.append(text)
            if name is None:
                continue
            if name not in facts or conversion:
                known = ", ".join(sorted(facts))
                raise BadRequest(f"The pattern {pattern!r} has {{{name}}}, which is not known.", path="out",
                                 hint=f"Known: {known}.")
            parts.append(safe(format(facts[name], form or "")))
    except ValueError as problem:
        raise BadRequest(f"The pattern {pattern!r} cannot be read: {problem}.", path="out") from problem
    return "".join(parts)


def safe(text: str) -> str:
    """The text as part of a file's name, on every system."""
    return re.sub(r"[^\w.+-]+", "_", text).strip("._")[:NAME_LIMIT] or "_"


def _path(name: str, text: str) -> str:
    """A relative path that stays inside the batch's folder."""
    path = Path(text.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in text or not path.parts:
        raise BadRequest(f"{name} is {text!r}, expected a path inside the batch's folder.", path=name)
    return path.as_posix()


def _blend(text: str) -> str:
    if not text:
        return ""
    path = _path("blend", text)
    return path if path.endswith(".blend") else f"{path}.blend"


def seed_after(spec: Spec, attempt: int) -> int | None:
    """The seed of a row's later attempt; None where the worker draws one anyway."""
    seed = getattr(spec, "seed", None)
    return None if seed is None else (seed + attempt - 1) % (MAX_SEED + 1)
