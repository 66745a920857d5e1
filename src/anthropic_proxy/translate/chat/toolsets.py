"""Toolsets: families of tools that Anthropic defines, the client runs, and one entry in `tools` declares.

Each member becomes a function of its own. Members and fields are those of the types in anthropic
(Python) 2.14, read 2026-11-25.
"""

from collections.abc import Mapping
from typing import NamedTuple

from anthropic_proxy.translate.chat.client_tools import (
    POINT,
    ClientTool,
    integer,
    integers,
    number,
    object_of,
    string,
    strings,
)
from anthropic_proxy.translate.chat.schema import Schema
from anthropic_proxy.wire.anthropic import Tool


class Toolset(NamedTuple):
    """A family of tools under one entry. `off` names the members that are offered only if switched on."""

    name: str
    members: Mapping[str, tuple[str, Schema]]
    off: frozenset[str] = frozenset()


def members(tool: Tool, toolset: Toolset) -> list[ClientTool]:
    """The functions that a toolset's entry in `tools` offers."""
    configs = tool.get("configs")
    settings = configs if isinstance(configs, dict) else {}
    return [
        ClientTool(name, toolset.name, description, schema)
        for name, (description, schema) in toolset.members.items()
        if _enabled(settings.get(name), name not in toolset.off)
    ]


def _enabled(setting: object, default: bool) -> bool:
    """Only a real `true` switches on: what cannot be read is off, as in Anthropic's SDK."""
    if setting is None:
        return default
    if not isinstance(setting, dict):
        return False
    enabled = setting.get("enabled")
    return default if enabled is None else enabled is True


_NOTHING = object_of({})
_HELD = string("Keys to hold meanwhile, such as `ctrl+shift`.")
_AT = {"coordinate": integers(2, f"{POINT} Left out: where the cursor is."), "text": _HELD}
_KEY = string("The key or chord, such as `Return` or `ctrl+s`.")
_WHEEL = string("", "up", "down", "left", "right")

COMPUTER_TOOLSET = Toolset(
    "computer",
    {
        "key": (
            "Press a key or chord.",
            object_of({"text": _KEY, "repeat": integer("How often; 1 by default.")}, "text"),
        ),
        "hold_key": (
            "Hold a key or chord down for a time.",
            object_of({"text": _KEY, "duration": integer("Seconds.")}, "text", "duration"),
        ),
        "type": ("Type text on the keyboard.", object_of({"text": string("The text.")}, "text")),
        "cursor_position": ("Tell where the cursor is.", _NOTHING),
        "mouse_move": (
            "Move the cursor without clicking, to hover.",
            object_of({"coordinate": integers(2, POINT)}, "coordinate"),
        ),
        "left_mouse_down": ("Press the left mouse button where the cursor is, and hold it.", _NOTHING),
        "left_mouse_up": ("Release the left mouse button.", _NOTHING),
        "left_click": ("Click the left mouse button.", object_of(_AT)),
        "left_click_drag": (
            "Drag with the left mouse button.",
            object_of(
                {
                    "start_coordinate": integers(2, f"Where it begins. {POINT}"),
                    "coordinate": integers(2, f"Where it ends. {POINT}"),
                    "text": _HELD,
                },
                "start_coordinate",
                "coordinate",
            ),
        ),
        "right_click": ("Click the right mouse button.", object_of(_AT)),
        "middle_click": ("Click the middle mouse button.", object_of(_AT)),
        "double_click": ("Double-click the left mouse button.", object_of(_AT)),
        "triple_click": ("Triple-click the left mouse button.", object_of(_AT)),
        "scroll": (
            "Turn the mouse wheel.",
            object_of(
                {"scroll_direction": _WHEEL, "scroll_amount": integer("Clicks of the wheel."), **_AT},
                "scroll_direction",
                "scroll_amount",
            ),
        ),
        "wait": ("Wait.", object_of({"duration": integer("Seconds.")}, "duration")),
        "screenshot": ("Take a screenshot of the screen.", _NOTHING),
        "zoom": (
            "Show a part of the screen enlarged.",
            object_of({"region": integers(4, "[x0, y0, x1, y1] in a screenshot's pixels.")}, "region"),
        ),
    },
)

_TAB = {"tab_id": string("The tab; the active one by default.")}
_SPOT = object_of(
    {"type": string("", "coordinate"), "x": integer("Pixels from the left."), "y": integer("Pixels from the top.")},
    "type",
    "x",
    "y",
)
_ELEMENT = object_of(
    {"type": string("", "ref"), "ref": string("A reference such as `ref_7`, from `read_page` or `find`.")},
    "type",
    "ref",
)
_TARGET = {"anyOf": [_SPOT, _ELEMENT], "description": "A point in the viewport, or an element by its reference."}
_MODIFIERS = {"modifiers": string("Keys to hold meanwhile, such as `ctrl+shift`.")}
_SECONDS = number("Seconds, at most 30.")


def _in_tab(properties: Schema, *required: str) -> Schema:
    return object_of({**properties, **_TAB}, *required)


def _click() -> Schema:
    return _in_tab({"target": _TARGET, **_MODIFIERS}, "target")


BROWSER_TOOLSET = Toolset(
    "browser",
    {
        "navigate": (
            "Open a URL, or go through the history.",
            _in_tab({"url": string("The URL (https if no scheme is given), or `back`, `forward`, `reload`.")}, "url"),
        ),
        "list_tabs": ("List the open tabs with tab_id, title and URL.", _NOTHING),
        "new_tab": ("Open an empty tab; the result is its tab_id.", _NOTHING),
        "switch_tab": ("Make a tab the active one.", object_of({"tab_id": string("The tab.")}, "tab_id")),
        "close_tab": ("Close a tab.", object_of({"tab_id": string("The tab.")}, "tab_id")),
        "read_page": (
            "Read the page as a tree of elements with references that other actions take as targets.",
            _in_tab(
                {
                    "ref": string("Read only below this element."),
                    "depth": integer("How deep; 15 by default."),
                    "filter": string(
                        "`interactive`: only what can be operated. `all`: also what is out of view. "
                        "Left out: everything visible.",
                        "all",
                        "interactive",
                    ),
                }
            ),
        ),
        "get_page_text": ("Read the page's text, best for articles.", _in_tab({})),
        "read_console": ("Read what the page wrote to the console since the last read.", _in_tab({})),
        "read_network": ("List the network requests made since the last read.", _in_tab({})),
        "find": (
            "Find elements by a description in words; gives up to 20 references.",
            _in_tab({"query": string("What to look for, such as `search bar`.")}, "query"),
        ),
        "form_input": (
            "Set the value of a form element.",
            _in_tab(
                {
                    "target": _ELEMENT,
                    "value": {
                        "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}],
                        "description": "A boolean for a checkbox; the option's value or text for a select.",
                    },
                },
                "target",
                "value",
            ),
        ),
        "file_upload": (
            "Set the files of a file input. Give paths or document_ids.",
            _in_tab(
                {
                    "target": _ELEMENT,
                    "paths": strings("Paths on the browser's machine."),
                    "document_ids": strings("Ids of files made ready by the application."),
                },
                "target",
            ),
        ),
        "scroll_to": ("Scroll an element into view.", _in_tab({"target": _ELEMENT}, "target")),
        "screenshot": ("Take a screenshot of the viewport.", _in_tab({})),
        "zoom": (
            "Show a part of the viewport enlarged.",
            _in_tab({"region": integers(4, "[x0, y0, x1, y1] in the viewport's pixels.")}, "region"),
        ),
        "left_click": ("Click the left mouse button.", _click()),
        "right_click": ("Click the right mouse button.", _click()),
        "middle_click": ("Click the middle mouse button.", _click()),
        "double_click": ("Double-click the left mouse button.", _click()),
        "triple_click": ("Triple-click the left mouse button, which usually selects a paragraph.", _click()),
        "hover": ("Move the cursor somewhere without clicking.", _in_tab({"target": _TARGET}, "target")),
        "left_click_drag": (
            "Drag with the left mouse button.",
            _in_tab({"from": _SPOT, "target": _SPOT}, "from", "target"),
        ),
        "left_mouse_down": ("Press the left mouse button and hold it.", _in_tab({"target": _SPOT}, "target")),
        "left_mouse_up": ("Release the left mouse button.", _in_tab({"target": _SPOT}, "target")),
        "mouse_move": ("Move the cursor to a point without clicking.", _in_tab({"target": _SPOT}, "target")),
        "scroll": (
            "Turn the mouse wheel at a point.",
            _in_tab(
                {
                    "target": _SPOT,
                    "scroll_direction": _WHEEL,
                    "scroll_amount": integer("Clicks of the wheel, 1 to 10; 3 by default."),
                },
                "target",
                "scroll_direction",
            ),
        ),
        "type": ("Type text where the focus is.", _in_tab({"text": string("The text.")}, "text")),
        "key": (
            "Press a key, a chord such as `ctrl+a`, or several one after the other, with spaces between.",
            _in_tab({"text": string("The keys."), "repeat": integer("How often; 1 by default.")}, "text"),
        ),
        "hold_key": (
            "Hold a key or chord down for a time.",
            _in_tab({"text": _KEY, "duration": _SECONDS}, "text", "duration"),
        ),
        "wait": ("Wait.", _in_tab({"duration": _SECONDS}, "duration")),
        "javascript_exec": (
            "Run JavaScript in the page; the result is the value of the last expression, without `return`.",
            _in_tab({"text": string("The code.")}, "text"),
        ),
    },
    off=frozenset({"javascript_exec", "file_upload"}),
)

TOOLSETS: dict[str, Toolset] = {
    "computer_toolset": COMPUTER_TOOLSET,
    "browser_toolset": BROWSER_TOOLSET,
}
"""Families of toolsets. A member's call carries the toolset's name in `toolset_name`."""
