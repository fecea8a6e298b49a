# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to the artist's machine rather than to a scene: where the backend is, and how results arrive.

`settings()` also works where the add-on was registered without being enabled (scripts, tests): it then gives the
defaults, so that no caller needs to ask.
"""

from types import SimpleNamespace

import bpy

from . import __package__ as base_package
from . import pairings

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


class MaquettePreferences(bpy.types.AddonPreferences):
    bl_idname = base_package

    pairing: bpy.props.StringProperty(
        name="Pairing String",
        description="The line that the studio's administrator made for you. Empty: the hub of this machine",
        subtype="PASSWORD",
        get=lambda self: pairings.text(),
        set=lambda self, line: pairings.keep(line),
    )
    address: bpy.props.StringProperty(
        name="Hub",
        description="Address of a hub without keys, as host:port. Empty: the add-on starts its own",
        default="",
    )
    python: bpy.props.StringProperty(
        name="Python",
        description="The Python that has Maquette's backend installed. Empty: the one that was installed from here",
        subtype="FILE_PATH",
        default="",
    )
    source: bpy.props.StringProperty(
        name="Source",
        description="Where the backend is installed from: folder of a clone, wheel, source archive, or its address",
        default="",
    )
    take_up: bpy.props.BoolProperty(
        name="Go On with Running Jobs",
        description="When Blender opens, connect and go on with the jobs that were running when it was closed",
        default=True,
    )
    show_preview: bpy.props.BoolProperty(
        name="Rough Mesh While Working",
        description="Show the object while it takes shape. The finished object replaces it",
        default=True,
    )
    external_images: bpy.props.BoolProperty(
        name="Textures as Files",
        description="Save textures into a folder beside the .blend file. Off, or file not saved: packed into it",
        default=False,
    )
    status_bar: bpy.props.BoolProperty(
        name="Status Bar",
        description="Show running jobs and a notice at their end in the status bar",
        default=True,
    )
    cache_megabytes: bpy.props.IntProperty(
        name="Kept Results (MB)",
        description="Disk space for results that can be brought back without the hub; the oldest are deleted",
        default=2048,
        min=0,
        max=1 << 20,
        update=lambda self, context: _resize(self.cache_megabytes),
    )
    library: bpy.props.StringProperty(
        name="Asset Library",
        description="Name of the asset library that results are published to. Empty: the first one",
        default="",
    )

    def draw(self, context: bpy.types.Context) -> None:
        from .panels import preferences as panel

        panel.draw(self.layout, context, self)


def _resize(megabytes: int) -> None:
    from . import link

    if link._link is not None:
        link._link.results.limit = megabytes << 20


_DEFAULTS = SimpleNamespace(
    pairing="", address="", python="", source="", take_up=True, show_preview=True, external_images=False,
    status_bar=True, cache_megabytes=2048, library="",
)
"""The preferences of an add-on that is registered but not enabled."""


def settings() -> "MaquettePreferences | SimpleNamespace":
    """The preferences; the defaults where there are none."""
    addon = bpy.context.preferences.addons.get(base_package)
    found = addon.preferences if addon is not None else None
    return found if found is not None else _DEFAULTS


CLASSES = (MaquettePreferences,)
