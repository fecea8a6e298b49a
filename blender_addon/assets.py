# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as assets: a file in an asset library with preview, description, tags and a place in its catalogue."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import bpy

from . import link, preferences, wire

CATALOGUE_FILE = "blender_assets.cats.txt"
CATALOGUE = "6d617175-6574-4465-a001-000000000001"
CATALOGUE_LINE = f"{CATALOGUE}:Maquette:Maquette\n"
HEADER = "# This is an Asset Catalog Definition file for Blender.\n\nVERSION 1\n\n"
FOLDER = "Maquette"
DULL = {"with", "from", "that", "this", "and", "the", "for", "wearing", "next", "into"}
"""Words of a prompt that make no tag."""


def library() -> Any | None:
    """The asset library of the preferences: the one they name, else the first; None when there is none."""
    known = [one for one in bpy.context.preferences.filepaths.asset_libraries if one.path]
    wanted = preferences.settings().library.strip()
    if wanted:
        return next((one for one in known if one.name == wanted), None)
    return known[0] if known else None


def complaint(item: Any | None) -> str:
    """Why this object cannot be published, in a sentence; empty when it can."""
    if item is None or "maquette_job" not in item:
        return "Select an object that Maquette has made"
    if item.mode != "OBJECT":
        return "Leave Edit Mode first"
    if library() is None:
        wanted = preferences.settings().library.strip()
        if wanted:
            return "The preference Asset Library names one that does not exist"
        return "Add an asset library in Preferences, File Paths"
    return ""


def tags_of(prompt: str) -> list[str]:
    """The words of a prompt that somebody would search for."""
    words = re.findall(r"\w{3,}", prompt.lower())
    return list(dict.fromkeys(word for word in words if word not in DULL))[:12]


def publish(item: Any) -> Path:
    """Write the object with all it needs into the library, marked as an asset; returns the file.

    The object in the open file stays as it was. Raises BadRequest for what `complaint` says, OutOfSpace when the
    library's folder cannot be written.
    """
    reason, shelf = complaint(item), library()
    if reason or shelf is None:
        raise wire.errors.BadRequest(reason)
    root = Path(bpy.path.abspath(shelf.path))
    marked = item.asset_data is not None
    if not marked:
        item.asset_mark()
    try:
        _describe(item)
        path = root / FOLDER / f"{bpy.path.clean_name(item.name)}-{str(item['maquette_job'])[:8]}.blend"
        path.parent.mkdir(parents=True, exist_ok=True)
        _add_catalogue(root / CATALOGUE_FILE)
        bpy.data.libraries.write(str(path), {item}, path_remap="RELATIVE_ALL", fake_user=True, compress=True)
    except (OSError, RuntimeError) as error:
        raise wire.errors.OutOfSpace(
            f"The asset library at {root} cannot be written: {error}.", hint="Choose another one in the preferences."
        ) from error
    finally:
        if not marked:
            item.asset_clear()
    return path


def _describe(item: Any) -> None:
    data = item.asset_data
    prompt = str(item.get("maquette_prompt", ""))
    data.description = prompt
    data.catalog_id = CATALOGUE
    known = {tag.name for tag in data.tags}
    for word in ["maquette", *tags_of(prompt)]:
        if word not in known:
            data.tags.new(word)
    picture = link.current().history.picture(str(item["maquette_job"]))
    if picture.exists():
        with bpy.context.temp_override(id=item):
            bpy.ops.ed.lib_id_load_custom_preview(filepath=str(picture))
    elif not bpy.app.background:
        item.asset_generate_preview()


def _add_catalogue(file: Path) -> None:
    text = file.read_text(encoding="utf-8") if file.exists() else HEADER
    if CATALOGUE not in text:
        file.write_text(text + ("" if text.endswith("\n") else "\n") + CATALOGUE_LINE, encoding="utf-8")
