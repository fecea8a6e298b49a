# SPDX-License-Identifier: GPL-3.0-or-later
"""Armatures and animation: Edit Mode for bones, modifiers' places, Actions with and without slots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy


@contextmanager
def edit_mode(item: Any) -> Iterator[None]:
    """Edit mode of one object, the only way to bones; afterwards mode, active object and selection are as before."""
    manager = bpy.context.window_manager
    if bpy.context.window is None and manager is not None and len(manager.windows):
        # A timer has no window of its own.
        with bpy.context.temp_override(window=manager.windows[0]), _edit_mode(item):
            yield
    else:
        with _edit_mode(item):
            yield


@contextmanager
def _edit_mode(item: Any) -> Iterator[None]:
    layer = bpy.context.view_layer
    active = layer.objects.active
    mode = active.mode if active is not None else "OBJECT"
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    # Others of its type that are selected would come along into edit mode.
    selected = [one for one in layer.objects if one.type == item.type and one.select_get()]
    for one in selected:
        one.select_set(False)
    stray = item.name not in layer.objects or not item.visible_get()
    if stray:  # its collections are excluded or hidden, or belong to another scene
        shelf = bpy.data.collections.new("Maquette edit")
        bpy.context.scene.collection.children.link(shelf)
        shelf.objects.link(item)
    layer.objects.active = item
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        yield
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        if stray:
            bpy.data.collections.remove(shelf)
        layer.objects.active = active
        for one in selected:
            one.select_set(True)
        if mode != "OBJECT" and active is not None:
            bpy.ops.object.mode_set(mode=mode)


def move_modifier(item: Any, name: str, place: int) -> None:
    """Bring a modifier to another place in the stack, 0 is the first."""
    at = item.modifiers.find(name)
    if at == place:
        return
    if hasattr(item.modifiers, "move"):  # 3.5
        item.modifiers.move(at, place)
    else:
        with bpy.context.temp_override(object=item):
            bpy.ops.object.modifier_move_to_index(modifier=name, index=place)


LINEAR = 1
"""Number of the interpolation in `foreach_set`."""


def action_curves(owner: Any, action: Any) -> tuple[Any, Any]:
    """Put a new Action to use on an object and return (its curves, their groups).

    From 4.4 on an Action has slots, one for each thing that it moves, and curves lie in a layer; `action.fcurves` is
    gone in 5.0.
    """
    data = owner.animation_data_create()
    data.action = action
    if not hasattr(action, "slots"):
        return action.fcurves, action.groups
    slot = action.slots.new(id_type="OBJECT", name=owner.name)
    data.action_slot = slot
    bag = action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)
    return bag.fcurves, bag.groups


def bags_of(action: Any) -> list[Any]:
    """Everything in an Action that has `fcurves` and `groups`: its channel bags, or before 4.4 the Action itself."""
    if not hasattr(action, "slots"):
        return [action]
    return [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]


def use_action(owner: Any, action: Any | None) -> None:
    """Put an Action to use on an object, with the slot that is meant for it; None for no Action."""
    data = owner.animation_data_create()
    data.action = action
    if action is not None:
        use_slot(data, action)


def use_slot(user: Any, action: Any) -> None:
    """Choose a slot for an object's animation data or a strip, where Actions have slots and none is chosen yet."""
    if not hasattr(action, "slots") or not len(action.slots) or user.action_slot is not None:
        return
    fitting = list(user.action_suitable_slots)
    if fitting:
        user.action_slot = fitting[0]
