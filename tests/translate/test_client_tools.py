"""Anthropic-defined client tools, held against the types of Anthropic's own SDK."""

import typing
from typing import Any

import pytest
from anthropic.types import browser_member_input, computer_member_input
from anthropic.types.beta import (
    beta_browser_member_name,
    beta_computer_member_name,
    beta_memory_tool_20250818_command,
)
from pydantic import BaseModel

from anthropic_proxy.translate.chat.client_tools import CLIENT_TOOLS, ClientTool, family_of
from anthropic_proxy.translate.chat.toolsets import TOOLSETS, members
from anthropic_proxy.wire.anthropic import Tool


def written_out(tool: Tool) -> ClientTool:
    family, version = family_of(tool["type"])
    return CLIENT_TOOLS[family](tool, version)


FAMILIES = {
    "a dated type": ("text_editor_20250728", ("text_editor", "20250728")),
    "a type without a date": ("tool_search_tool_bm25", ("tool_search_tool_bm25", "")),
    "a toolset": ("computer_toolset_20260801", ("computer_toolset", "20260801")),
    "digits that are no date": ("my_tool_2", ("my_tool_2", "")),
}


@pytest.mark.parametrize(("kind", "expected"), FAMILIES.values(), ids=FAMILIES.keys())
def test_family(kind: str, expected: tuple[str, str]) -> None:
    assert family_of(kind) == expected


EDIT = ["view", "create", "str_replace", "insert"]
EDITOR_FIELDS = {
    *("command", "path", "file_text", "old_str", "new_str", "insert_line", "insert_text", "view_range"),
}
OLD_ACTIONS = [
    *("key", "type", "mouse_move", "left_click", "left_click_drag", "right_click", "middle_click"),
    *("double_click", "screenshot", "cursor_position"),
]
ACTIONS = [*OLD_ACTIONS, "left_mouse_down", "left_mouse_up", "triple_click", "scroll", "hold_key", "wait"]
POINTER_FIELDS = {"action", "coordinate", "text"}
COMPUTER_FIELDS = {*POINTER_FIELDS, "start_coordinate", "scroll_direction", "scroll_amount", "duration"}
SCREEN = {"name": "computer", "display_width_px": 1280, "display_height_px": 800}

SINGLE: dict[str, tuple[Tool, str, set[str], list[str], list[str] | None]] = {
    "the first bash": ({"type": "bash_20241022"}, "bash", {"command", "restart"}, [], None),
    "bash": ({"type": "bash_20250124", "name": "bash"}, "bash", {"command", "restart"}, [], None),
    "the first editor takes an insert's text from new_str": (
        {"type": "text_editor_20241022"},
        "str_replace_editor",
        EDITOR_FIELDS - {"insert_text"},
        ["command", "path"],
        [*EDIT, "undo_edit"],
    ),
    "the second editor can undo too": (
        {"type": "text_editor_20250124"},
        "str_replace_editor",
        EDITOR_FIELDS - {"insert_text"},
        ["command", "path"],
        [*EDIT, "undo_edit"],
    ),
    "the third editor cannot": (
        {"type": "text_editor_20250429"},
        "str_replace_based_edit_tool",
        EDITOR_FIELDS,
        ["command", "path"],
        EDIT,
    ),
    "the fourth editor": (
        {"type": "text_editor_20250728"},
        "str_replace_based_edit_tool",
        EDITOR_FIELDS,
        ["command", "path"],
        EDIT,
    ),
    "an editor from the future is like the newest known": (
        {"type": "text_editor_20290101", "name": "edit"},
        "edit",
        EDITOR_FIELDS,
        ["command", "path"],
        EDIT,
    ),
    "the first computer": (
        {**SCREEN, "type": "computer_20241022"},
        "computer",
        POINTER_FIELDS,
        ["action"],
        OLD_ACTIONS,
    ),
    "the second computer": ({**SCREEN, "type": "computer_20250124"}, "computer", COMPUTER_FIELDS, ["action"], ACTIONS),
    "the third computer": ({**SCREEN, "type": "computer_20251124"}, "computer", COMPUTER_FIELDS, ["action"], ACTIONS),
    "the third computer with zoom": (
        {**SCREEN, "type": "computer_20251124", "enable_zoom": True},
        "computer",
        COMPUTER_FIELDS | {"region"},
        ["action"],
        [*ACTIONS, "zoom"],
    ),
}


@pytest.mark.parametrize(("tool", "name", "fields", "required", "verbs"), SINGLE.values(), ids=SINGLE.keys())
def test_single_tools(tool: Tool, name: str, fields: set[str], required: list[str], verbs: list[str] | None) -> None:
    function = written_out(tool)
    properties = function.schema["properties"]
    assert (function.name, function.toolset) == (name, "")
    assert function.schema["type"] == "object"
    assert properties.keys() == fields
    assert function.schema.get("required", []) == required
    if verbs:
        assert properties[required[0]]["enum"] == verbs


DESCRIPTIONS: dict[str, tuple[Tool, str]] = {
    "the size of the screen": ({**SCREEN, "type": "computer_20250124"}, "1280 pixels wide and 800 pixels high"),
    "the number of the display": ({**SCREEN, "type": "computer_20250124", "display_number": 0}, "display number is 0"),
    "how much of a file is shown": ({"type": "text_editor_20250728", "max_characters": 900}, "up to 900 characters"),
}


@pytest.mark.parametrize(("tool", "told"), DESCRIPTIONS.values(), ids=DESCRIPTIONS.keys())
def test_description_tells(tool: Tool, told: str) -> None:
    assert told in written_out(tool).description


def test_memory_has_the_commands_and_fields_of_the_sdk() -> None:
    union = typing.get_args(beta_memory_tool_20250818_command.BetaMemoryTool20250818Command)
    commands = typing.get_args(union[0]) or union
    properties = written_out({"type": "memory_20250818"}).schema["properties"]
    assert properties.keys() == {name for command in commands for name in command.model_fields}
    assert set(properties["command"]["enum"]) == {
        typing.get_args(command.model_fields["command"].annotation)[0] for command in commands
    }


def sdk_members(names: Any, inputs: Any) -> dict[str, type[BaseModel]]:
    """Member name → the SDK's model of its input. The two lists are in the same order in the SDK."""
    return dict(zip(typing.get_args(names), typing.get_args(inputs), strict=True))


SDK_MEMBERS = {
    "computer": sdk_members(
        beta_computer_member_name.BetaComputerMemberName, computer_member_input.ComputerMemberInput
    ),
    "browser": sdk_members(beta_browser_member_name.BetaBrowserMemberName, browser_member_input.BrowserMemberInput),
}


@pytest.mark.parametrize("name", SDK_MEMBERS)
def test_toolset_has_the_members_and_fields_of_the_sdk(name: str) -> None:
    toolset = TOOLSETS[f"{name}_toolset"]
    assert toolset.name == name
    assert toolset.members.keys() == SDK_MEMBERS[name].keys()
    for member, model in SDK_MEMBERS[name].items():
        schema = toolset.members[member][1]
        fields = {field.alias or key: field for key, field in model.model_fields.items()}
        assert schema["properties"].keys() == fields.keys(), member
        assert set(schema.get("required", [])) == {key for key, field in fields.items() if field.is_required()}, member
        assert member.replace("_", "") in model.__name__.lower()


OFF = {"file_upload", "javascript_exec"}

CONFIGS: dict[str, tuple[dict[str, Any] | None, set[str]]] = {
    "without configs all but the two dangerous members": (None, set(SDK_MEMBERS["browser"]) - OFF),
    "a member can be switched off": (
        {"navigate": {"enabled": False}},
        set(SDK_MEMBERS["browser"]) - OFF - {"navigate"},
    ),
    "a dangerous one can be switched on": (
        {"javascript_exec": {"enabled": True}},
        set(SDK_MEMBERS["browser"]) - {"file_upload"},
    ),
    "a setting without `enabled` leaves the default": (
        {"navigate": {"defer_loading": False}, "file_upload": {}, "find": None},
        set(SDK_MEMBERS["browser"]) - OFF,
    ),
    "what cannot be read is off": (
        {"navigate": False, "file_upload": {"enabled": "yes"}},
        set(SDK_MEMBERS["browser"]) - OFF - {"navigate"},
    ),
}


@pytest.mark.parametrize(("configs", "expected"), CONFIGS.values(), ids=CONFIGS.keys())
def test_enabled_members(configs: dict[str, Any] | None, expected: set[str]) -> None:
    tool = {"type": "browser_toolset_20260801", "configs": configs}
    functions = members(tool, TOOLSETS["browser_toolset"])
    assert {function.name for function in functions} == expected
    assert {function.toolset for function in functions} == {"browser"}


def test_every_function_and_argument_says_what_it_is() -> None:
    functions = [written_out({"type": f"{family}_29990101"}) for family in CLIENT_TOOLS]
    everything = {name: {"enabled": True} for name in SDK_MEMBERS["browser"]}
    for kind, toolset in TOOLSETS.items():
        functions += members({"type": kind, "configs": everything}, toolset)
    assert all(function.description for function in functions)
    unsaid = [
        (function.name, name)
        for function in functions
        for name, schema in function.schema["properties"].items()
        if not (schema.keys() & {"description", "enum", "properties"})
    ]
    assert unsaid == []
