"""Tools that Anthropic defines and the client runs, written out as functions.

Claude knows these tools from training; a request only names their version. Any other model needs a
description and a schema. The fields are those of the types in anthropic (Python) 2.14, read
2026-11-25; the actions of the older tools are those of Anthropic's tool documentation.
"""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from anthropic_proxy.translate.chat.schema import Schema
from anthropic_proxy.wire.anthropic import Tool


class ClientTool(Struct):
    """One function to offer. `toolset` names the family of a toolset's member, and is else empty."""

    name: str
    toolset: str
    description: str
    schema: Schema


_DATED = re.compile(r"(.+)_(\d{8})")


def family_of(kind: str) -> tuple[str, str]:
    """A tool type's family and date: `bash_20250124` is (`bash`, `20250124`). Undated types have `""`."""
    if kind == "custom":
        return kind, ""
    dated = _DATED.fullmatch(kind)
    return (dated[1], dated[2]) if dated else (kind, "")


# --- Builders of schemas


def string(description: str = "", *values: str) -> Schema:
    return typed("string", description, {"enum": list(values)} if values else {})


def integer(description: str = "") -> Schema:
    return typed("integer", description)


def number(description: str = "") -> Schema:
    return typed("number", description)


def integers(length: int, description: str) -> Schema:
    return typed("array", description, {"items": {"type": "integer"}, "minItems": length, "maxItems": length})


def strings(description: str) -> Schema:
    return typed("array", description, {"items": {"type": "string"}})


def typed(kind: str, description: str, more: Mapping[str, object] = {}) -> Schema:
    return {"type": kind, **({"description": description} if description else {}), **more}


def object_of(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


# --- bash, text editor, memory

BASH = object_of(
    {
        "command": string("The command to run. Needed unless `restart` is true."),
        "restart": typed("boolean", "Start a new shell instead of running a command."),
    }
)


def _bash(tool: Tool, version: str) -> ClientTool:
    description = "Run a command in a bash shell. The shell keeps its state from call to call."
    return ClientTool(tool.get("name") or "bash", "", description, BASH)


def _editor(commands: tuple[str, ...], inserted: str) -> Schema:
    """`inserted` is the field that holds the text of an `insert`."""
    replacement = "For `str_replace`: the text to put there; left out, the old text is deleted."
    fields = {
        "command": string("What to do.", *commands),
        "path": string("Path of the file or, for `view`, of a directory."),
        "file_text": string("For `create`: the whole text of the file."),
        "old_str": string("For `str_replace`: the text to replace. It must occur exactly once in the file."),
        "new_str": string(replacement),
        "insert_line": integer("For `insert`: the line after which the text goes; 0 is the top of the file."),
        "insert_text": string("For `insert`: the text to insert."),
        "view_range": integers(2, "For `view` of a file: first and last line, from 1; a last line of -1 is the end."),
    }
    if inserted == "new_str":
        fields["new_str"] = string(f"{replacement} For `insert`: the text to insert.")
        del fields["insert_text"]
    return object_of(fields, "command", "path")


EDITOR = _editor(("view", "create", "str_replace", "insert"), "insert_text")
OLD_EDITOR = _editor(("view", "create", "str_replace", "insert", "undo_edit"), "new_str")
"""Before 2025-04-29: with `undo_edit`, and `insert` takes its text from `new_str`."""


def _text_editor(tool: Tool, version: str) -> ClientTool:
    description = "View, create and edit text files. `view` shows a file with line numbers, or lists a directory."
    limit = tool.get("max_characters")
    if isinstance(limit, int):
        description += f" A file is shown up to {limit} characters."
    if version and version < "20250429":
        return ClientTool(tool.get("name") or "str_replace_editor", "", description, OLD_EDITOR)
    return ClientTool(tool.get("name") or "str_replace_based_edit_tool", "", description, EDITOR)


MEMORY = object_of(
    {
        "command": string("What to do.", "view", "create", "str_replace", "insert", "delete", "rename"),
        "path": string("Path of the file or directory, below /memories. For every command but `rename`."),
        "view_range": integers(2, "For `view` of a file: first and last line, from 1."),
        "file_text": string("For `create`: the whole text of the file."),
        "old_str": string("For `str_replace`: the text to replace."),
        "new_str": string("For `str_replace`: the text to put there."),
        "insert_line": integer("For `insert`: the line at which the text goes."),
        "insert_text": string("For `insert`: the text to insert."),
        "old_path": string("For `rename`: the present path."),
        "new_path": string("For `rename`: the new path."),
    },
    "command",
)


def _memory(tool: Tool, version: str) -> ClientTool:
    description = (
        "Keep notes in files under /memories that last beyond this conversation. View the directory "
        "before starting a task, and write down what later work will need."
    )
    return ClientTool(tool.get("name") or "memory", "", description, MEMORY)


# --- One tool for the whole desktop

POINT = "Pixels from the left edge and from the top edge, [x, y]."

_ACTIONS_2024 = (
    "key",
    "type",
    "mouse_move",
    "left_click",
    "left_click_drag",
    "right_click",
    "middle_click",
    "double_click",
    "screenshot",
    "cursor_position",
)
_ACTIONS_2025 = (
    *_ACTIONS_2024,
    "left_mouse_down",
    "left_mouse_up",
    "triple_click",
    "scroll",
    "hold_key",
    "wait",
)


def _computer_schema(actions: tuple[str, ...]) -> Schema:
    fields = {
        "action": string("What to do.", *actions),
        "coordinate": integers(2, f"Where: for clicks, moves, scrolls, and the end of a drag. {POINT}"),
        "text": string("For `type`: the text. For `key`: the key or chord, such as `ctrl+s`."),
    }
    if "scroll" in actions:
        fields |= {
            "text": string(
                "For `type`: the text. For `key` and `hold_key`: the key or chord, such as `ctrl+s`. "
                "For clicks and scrolls: keys to hold meanwhile."
            ),
            "start_coordinate": integers(2, f"For `left_click_drag`: where it begins. {POINT}"),
            "scroll_direction": string("For `scroll`.", "up", "down", "left", "right"),
            "scroll_amount": integer("For `scroll`: how many clicks of the wheel."),
            "duration": number("For `hold_key` and `wait`: seconds."),
        }
    if "zoom" in actions:
        fields["region"] = integers(4, "For `zoom`: the part of the screen to show enlarged, [x0, y0, x1, y1].")
    return object_of(fields, "action")


COMPUTER_2024 = _computer_schema(_ACTIONS_2024)
COMPUTER_2025 = _computer_schema(_ACTIONS_2025)
COMPUTER_ZOOM = _computer_schema((*_ACTIONS_2025, "zoom"))


def _computer(tool: Tool, version: str) -> ClientTool:
    width, height = tool.get("display_width_px"), tool.get("display_height_px")
    description = (
        "Control a computer's screen, mouse and keyboard. Take a screenshot first, and again after acting, to see "
        f"the effect. The screen is {width} pixels wide and {height} pixels high."
    )
    if tool.get("display_number") is not None:
        description += f" Its X11 display number is {tool['display_number']}."
    schema = COMPUTER_2024 if version == "20241022" else COMPUTER_2025
    if tool.get("enable_zoom") is True:
        schema = COMPUTER_ZOOM
    return ClientTool(tool.get("name") or "computer", "", description, schema)


CLIENT_TOOLS: dict[str, Callable[[Tool, str], ClientTool]] = {
    "bash": _bash,
    "text_editor": _text_editor,
    "memory": _memory,
    "computer": _computer,
}
"""Families of single tools, each with what writes a tool of a given date out.

A version newer than this list gets the newest schema known.
"""
