# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials, node groups and render engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import bpy


def enable_nodes(owner: Any) -> None:
    """Give a material or world its node tree. From 5.0 on it always has one and setting the flag only warns."""
    if owner.node_tree is None:
        owner.use_nodes = True


def socket(sockets: Any, *names: str) -> Any:
    """The first socket that has one of the names; sockets were renamed in 4.0, and their order changes often.

    Raises KeyError with all the names when there is none.
    """
    for name in names:
        found = sockets.get(name)
        if found is not None:
            return found
    raise KeyError(f"no socket named {' or '.join(names)}; there are {', '.join(item.name for item in sockets)}")


def exporters_see_groups() -> bool:
    """Does Blender's glTF exporter find an image inside a node group? Since 4.0, which has another group interface."""
    return hasattr(bpy.types.NodeTree, "interface") or "interface" in bpy.types.NodeTree.bl_rna.properties


def new_output(group: Any, name: str, kind: str) -> None:
    """Give a node group an output socket; kind: for example NodeSocketColor."""
    if hasattr(group, "interface"):  # 4.0
        group.interface.new_socket(name=name, in_out="OUTPUT", socket_type=kind)
    else:
        group.outputs.new(kind, name)


def set_engine(scene: Any, wanted: Sequence[str]) -> str:
    """Choose the first render engine of `wanted` that this Blender has, and return its name.

    EEVEE is BLENDER_EEVEE up to 4.1 and from 5.0, and BLENDER_EEVEE_NEXT between.
    """
    names: Iterable[str] = wanted
    for name in names:
        try:
            scene.render.engine = name
        except TypeError:  # Blender's own way to say that an enum has no such item
            continue
        return name
    raise RuntimeError(f"this Blender has none of the render engines {', '.join(wanted)}")
