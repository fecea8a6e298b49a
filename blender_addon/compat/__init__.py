# SPDX-License-Identifier: GPL-3.0-or-later
"""Every difference between Blender 3.4 and 5.x that the add-on meets, in one place.

Each function asks Blender what it has (a property, a method, an enum item) instead of comparing version numbers, so
that a build with a back-ported feature does the right thing. Nothing here knows about jobs, prompts or the hub.
"""

from .figures import (
    LINEAR,
    action_curves,
    bags_of,
    edit_mode,
    move_modifier,
    use_action,
    use_slot,
)
from .meshes import (
    read_positions,
    read_uvs,
    shade_smooth,
    write_geometry,
    write_positions,
    write_uvs,
)
from .shading import (
    enable_nodes,
    exporters_see_groups,
    new_output,
    set_engine,
    socket,
)
from .system import (
    hands_full,
    is_module,
    online_access,
    python_executable,
    session_id,
    undo_push,
    user_folder,
)
from .windows import (
    draw_dots,
    picture_drop,
    progress_bar,
    prompt_box,
    redraw_panels,
    redraw_status_bar,
    show_image,
)

__all__ = [
    "LINEAR",
    "action_curves",
    "bags_of",
    "draw_dots",
    "edit_mode",
    "enable_nodes",
    "exporters_see_groups",
    "hands_full",
    "is_module",
    "move_modifier",
    "new_output",
    "online_access",
    "picture_drop",
    "progress_bar",
    "prompt_box",
    "python_executable",
    "read_positions",
    "read_uvs",
    "redraw_panels",
    "redraw_status_bar",
    "session_id",
    "set_engine",
    "shade_smooth",
    "show_image",
    "socket",
    "undo_push",
    "use_action",
    "use_slot",
    "user_folder",
    "write_geometry",
    "write_positions",
    "write_uvs",
]
