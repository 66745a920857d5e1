"""Tools and tool_choice, as Chat Completions wants them."""

import copy
import itertools
import typing
from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest
from anthropic.types import tool_union_param
from anthropic.types.beta import beta_tool_union_param
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect, dialect_for
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.chat.active_tools import mentions_tools
from anthropic_proxy.translate.chat.tools import MUST_CALL, MUST_NOT_CALL, UNTRAINED, Tools, chat_tools
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.wire.anthropic import Block, MessagesRequest, Tool
from anthropic_proxy.wire.chat import ChatTool
from tests.translate.conversations import backends, requests

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Tool = {"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}
LONG = "mcp__weather__" + "very_" * 12 + "long"
SENT_LONG = LONG[:55] + "_b1271618"
SEARCH: Tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
FETCH: Tool = {"type": "web_fetch_20250910", "name": "web_fetch"}

NO_NAMED = replace(PLAIN, tool_choice="no_named")
NO_REQUIRED = replace(PLAIN, tool_choice="no_required")
AUTO_ONLY = replace(PLAIN, tool_choice="auto_only")
IGNORED = replace(PLAIN, tool_choice="ignored")
NEEDS_TOOLS = replace(PLAIN, tools_with_history=True)


def named(name: str, **more: Any) -> Tool:
    return {"name": name, "input_schema": SCHEMA, **more}


def function(name: str, **more: Any) -> ChatTool:
    """The definition that `named` becomes."""
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


def user(*blocks: Block) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def system(*blocks: Block) -> dict[str, Any]:
    return {"role": "system", "content": list(blocks)}


def assistant(*blocks: Block) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


QUESTION = user({"type": "text", "text": "Hello?"})


def call(name: str, **more: Any) -> Block:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}, **more}


def found(*names: str) -> Block:
    references = [{"type": "tool_reference", "tool_name": name} for name in names]
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": references}


def change(kind: str, name: str) -> Block:
    return {"type": kind, "tool": {"type": "tool_reference", "name": name}}


def tools_of(
    tools: list[Tool],
    choice: dict[str, Any] | None = None,
    dialect: Dialect = PLAIN,
    messages: list[dict[str, Any]] | None = None,
    thinking_on: bool = False,
) -> Tools:
    request: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": messages or [QUESTION], "tools": tools}
    if choice is not None:
        request["tool_choice"] = choice
    before = copy.deepcopy(request)
    result = chat_tools(cast("MessagesRequest", request), dialect, thinking_on)
    assert request == before, "the request must stay as it is"
    return result


def names_of(tools: Tools) -> list[str]:
    return [definition["function"]["name"] for definition in tools.definitions]


# --- Definitions

DEFINITIONS: dict[str, tuple[Tool, Dialect, dict[str, Any]]] = {
    "a custom tool": (WEATHER, PLAIN, {"name": "get_weather", "description": "The weather.", "parameters": SCHEMA}),
    "with its type spelled out": (
        {**WEATHER, "type": "custom"},
        PLAIN,
        {"name": "get_weather", "description": "The weather.", "parameters": SCHEMA},
    ),
    "without a description": (named("a", description=None), PLAIN, {"name": "a", "parameters": SCHEMA}),
    "a long name is shortened": (named(LONG), PLAIN, {"name": SENT_LONG, "parameters": SCHEMA}),
    "examples go to the description": (
        {**WEATHER, "input_examples": [{"city": "Köln"}, {"city": "Oslo"}]},
        PLAIN,
        {
            "name": "get_weather",
            "description": 'The weather.\n\nExamples:\n{"city":"Köln"}\n{"city":"Oslo"}',
            "parameters": SCHEMA,
        },
    ),
    "or are the description": (
        named("a", input_examples=[{"city": "Oslo"}]),
        PLAIN,
        {"name": "a", "description": 'Examples:\n{"city":"Oslo"}', "parameters": SCHEMA},
    ),
    "fields nobody knows stay here": (
        named("a", eager_input_streaming=True, cache_control={"type": "ephemeral"}, x_future=1),
        PLAIN,
        {"name": "a", "parameters": SCHEMA},
    ),
    "strict goes along where the schema fits": (
        named("a", input_schema={**SCHEMA, "additionalProperties": False}, strict=True),
        PLAIN,
        {"name": "a", "parameters": {**SCHEMA, "additionalProperties": False}, "strict": True},
    ),
    "a schema is completed": (
        named("a", input_schema={}),
        PLAIN,
        {"name": "a", "parameters": {"type": "object", "properties": {}}},
    ),
    "a schema is cleaned for the dialect": (
        named("a", input_schema={"$schema": "x", **SCHEMA}),
        replace(PLAIN, schema="mistral"),
        {"name": "a", "parameters": SCHEMA},
    ),
    "a schema that was refused is cut back": (
        named(LONG),
        replace(PLAIN, schema_steps=((SENT_LONG, 3, ""), ("other", 1, "x"))),
        {
            "name": SENT_LONG,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "required"}},
            },
        },
    ),
    "callable from code and directly": (
        named("a", allowed_callers=["direct", "code_execution_20250825"]),
        PLAIN,
        {"name": "a", "parameters": SCHEMA},
    ),
}


@pytest.mark.parametrize(("tool", "dialect", "expected"), DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_definition(tool: Tool, dialect: Dialect, expected: dict[str, Any]) -> None:
    tools = tools_of([tool], dialect=dialect)
    assert tools.definitions == [{"type": "function", "function": expected}]
    assert list(tools.definitions[0]["function"]) == [
        key for key in ("name", "description", "parameters", "strict") if key in expected
    ]
    assert tools.dropped == []


def test_no_tools_is_nothing_to_send() -> None:
    tools = tools_of([])
    assert (tools.definitions, tools.choice, tools.parallel, tools.dropped) == ([], None, None, [])
    assert tools.instructions == []


def test_a_raw_schema_goes_out_as_the_object_that_came_in() -> None:
    request = {"messages": [QUESTION], "tools": [WEATHER]}
    tools = chat_tools(cast("MessagesRequest", request), PLAIN, False)
    assert tools.definitions[0]["function"]["parameters"] is SCHEMA


CLIENT_TOOLS = {
    "bash": ({"type": "bash_20250124", "name": "bash"}, ["bash"]),
    "the old editor": ({"type": "text_editor_20250124", "name": "str_replace_editor"}, ["str_replace_editor"]),
    "memory": ({"type": "memory_20250818", "name": "memory"}, ["memory"]),
    "two members of a toolset": (
        {
            "type": "computer_toolset_20260801",
            "configs": {
                name: {"enabled": False}
                for name in (
                    *("key", "hold_key", "type", "cursor_position", "mouse_move", "left_mouse_down", "scroll"),
                    *("left_mouse_up", "left_click_drag", "right_click", "middle_click", "double_click", "wait"),
                    *("triple_click", "zoom"),
                )
            },
        },
        ["computer__left_click", "computer__screenshot"],
    ),
}


@pytest.mark.parametrize(("tool", "expected"), CLIENT_TOOLS.values(), ids=CLIENT_TOOLS.keys())
def test_client_tools_become_functions(tool: Tool, expected: list[str]) -> None:
    tools = tools_of([tool])
    assert names_of(tools) == expected
    assert all(definition["function"]["description"] for definition in tools.definitions)
    assert all(definition["function"]["parameters"]["type"] == "object" for definition in tools.definitions)


def test_a_toolsets_calls_come_back_with_its_name() -> None:
    tools = tools_of([{"type": "browser_toolset_20260801"}, named("navigate")])
    assert "browser__navigate" in names_of(tools)
    assert tools.names.restored("browser__navigate") == ("navigate", "browser")
    assert tools.names.restored("navigate") == ("navigate", "")
    assert tools.names.sent("navigate", "browser") == "browser__navigate"


def test_strict_that_cannot_be_kept_is_named() -> None:
    tools = [named("a", strict=True), named("b", strict=False)]
    assert tools_of(tools).dropped == ["tools.0.strict: the schema is outside the subset that can be enforced"]
    closed = [named("a", input_schema={**SCHEMA, "additionalProperties": False}, strict=True)]
    unable = tools_of(closed, dialect=replace(PLAIN, strict_flag=False))
    assert unable.dropped == ["tools.0.strict: not known to this upstream"]
    assert "strict" not in unable.definitions[0]["function"]


def test_a_description_too_long_goes_to_the_system_message() -> None:
    tools = tools_of([{**WEATHER, "description": "x" * 30}, named("b")], dialect=replace(PLAIN, description_max=20))
    assert tools.definitions[0]["function"]["description"] == "x" * 19 + "…"
    assert tools.instructions == ["The whole description of the tool get_weather:\n" + "x" * 30]


def test_arguments_that_must_not_be_streamed_are_named_as_the_client_does() -> None:
    tools = tools_of([named(LONG, eager_input_streaming=False), named("b", eager_input_streaming=None), named("c")])
    assert tools.buffered == frozenset({LONG})


MARK = {"type": "ephemeral", "ttl": "1h"}

MARKS: dict[str, tuple[Dialect, list[Tool], list[object]]] = {
    "a mark moves to the last tool": (
        replace(PLAIN, cache="anthropic"),
        [named("a", cache_control=MARK), named("b")],
        [None, MARK],
    ),
    "the last mark counts": (
        replace(PLAIN, cache="anthropic"),
        [named("a", cache_control={"type": "ephemeral"}), named("b", cache_control=MARK)],
        [None, MARK],
    ),
    "a dropped tool's mark stays": (
        replace(PLAIN, cache="anthropic"),
        [named("a"), {**FETCH, "cache_control": MARK}],
        [MARK],
    ),
    "no mark": (replace(PLAIN, cache="anthropic"), [named("a", cache_control=None)], [None]),
    "other dialects have no marks on tools": (
        replace(PLAIN, cache="copilot"),
        [named("a", cache_control=MARK)],
        [None],
    ),
}


@pytest.mark.parametrize(("dialect", "tools", "expected"), MARKS.values(), ids=MARKS.keys())
def test_cache_marks(dialect: Dialect, tools: list[Tool], expected: list[object]) -> None:
    sent = tools_of(tools, dialect=dialect).definitions
    assert [definition.get("cache_control") for definition in sent] == expected


# --- tool_choice

TWO = [named("a"), named("b")]
BOTH = ["a", "b"]
FORCED_B = {"type": "function", "function": {"name": "b"}}

CHOICES: dict[str, tuple[dict[str, Any] | None, Dialect, list[str], object, list[str]]] = {
    "no choice is left to the backend": (None, PLAIN, BOTH, None, []),
    "auto is the default": ({"type": "auto"}, PLAIN, BOTH, None, []),
    "any is required": ({"type": "any"}, PLAIN, BOTH, "required", []),
    "any without named tools is required": ({"type": "any"}, NO_NAMED, BOTH, "required", []),
    "any without required is a line": ({"type": "any"}, NO_REQUIRED, BOTH, None, [MUST_CALL]),
    "any with auto only is a line": ({"type": "any"}, AUTO_ONLY, BOTH, None, [MUST_CALL]),
    "any where choices are ignored is a line": ({"type": "any"}, IGNORED, BOTH, None, [MUST_CALL]),
    "a tool is named": ({"type": "tool", "name": "b"}, PLAIN, BOTH, FORCED_B, []),
    "or sent alone and required": ({"type": "tool", "name": "b"}, NO_NAMED, ["b"], "required", []),
    "or sent alone with a line": ({"type": "tool", "name": "b"}, NO_REQUIRED, ["b"], None, [MUST_CALL]),
    "none keeps the tools, for the cache": ({"type": "none"}, PLAIN, BOTH, "none", []),
    "none without required": ({"type": "none"}, NO_REQUIRED, BOTH, "none", []),
    "none with auto only takes the tools away": ({"type": "none"}, AUTO_ONLY, [], None, []),
    "none where choices are ignored too": ({"type": "none"}, IGNORED, [], None, []),
}


@pytest.mark.parametrize(("choice", "dialect", "names", "value", "lines"), CHOICES.values(), ids=CHOICES.keys())
def test_choice(
    choice: dict[str, Any] | None, dialect: Dialect, names: list[str], value: object, lines: list[str]
) -> None:
    tools = tools_of(TWO, choice, dialect)
    assert names_of(tools) == names
    assert tools.choice == value
    assert tools.instructions == lines
    assert not tools.thinking_off


def test_a_named_tool_is_named_as_it_is_sent() -> None:
    tools = tools_of([named(LONG)], {"type": "tool", "name": LONG})
    assert tools.choice == {"type": "function", "function": {"name": SENT_LONG}}


@pytest.mark.parametrize("kind", ["auto", "any", "none"])
def test_a_choice_without_tools_is_no_choice(kind: str) -> None:
    tools = tools_of([], {"type": kind, "disable_parallel_tool_use": True})
    assert (tools.choice, tools.parallel, tools.instructions) == (None, None, [])
    assert tools.dropped == (["tool_choice: there are no tools to choose from"] if kind == "any" else [])


def test_a_named_choice_without_any_tools_is_dropped() -> None:
    tools = tools_of([], {"type": "tool", "name": "a"})
    assert (tools.choice, tools.dropped) == (None, ["tool_choice: there are no tools to choose from"])


PARALLEL: dict[str, tuple[dict[str, Any], Dialect, bool | None, bool]] = {
    "parallel calls are not mentioned unasked": ({"type": "auto"}, PLAIN, None, False),
    "nor when they are wanted": ({"type": "auto", "disable_parallel_tool_use": False}, PLAIN, None, False),
    "refused, they are refused twice": ({"type": "any", "disable_parallel_tool_use": True}, PLAIN, False, True),
    "a backend without the flag is watched only": (
        {"type": "auto", "disable_parallel_tool_use": True},
        replace(PLAIN, parallel_flag=False),
        None,
        True,
    ),
}


@pytest.mark.parametrize(("choice", "dialect", "parallel", "only_one"), PARALLEL.values(), ids=PARALLEL.keys())
def test_parallel_calls(choice: dict[str, Any], dialect: Dialect, parallel: bool | None, only_one: bool) -> None:
    tools = tools_of(TWO, choice, dialect)
    assert (tools.parallel, tools.only_one) == (parallel, only_one)


KIMI = replace(PLAIN, forced_tool_while_thinking=False)

THINKING: dict[str, tuple[dict[str, Any], Dialect, bool, bool]] = {
    "a forced call ends thinking where the two clash": ({"type": "any"}, KIMI, True, True),
    "so does a named tool": ({"type": "tool", "name": "a"}, KIMI, True, True),
    "elsewhere both go together": ({"type": "any"}, PLAIN, True, False),
    "nothing is forced with auto": ({"type": "auto"}, KIMI, True, False),
    "nor with none": ({"type": "none"}, KIMI, True, False),
    "nor by a line in the system message": ({"type": "any"}, replace(KIMI, tool_choice="no_required"), True, False),
    "nobody thinks": ({"type": "any"}, KIMI, False, False),
}


@pytest.mark.parametrize(("choice", "dialect", "thinking_on", "off"), THINKING.values(), ids=THINKING.keys())
def test_thinking_gives_way(choice: dict[str, Any], dialect: Dialect, thinking_on: bool, off: bool) -> None:
    assert tools_of(TWO, choice, dialect, thinking_on=thinking_on).thinking_off is off


# --- Deferred tools

DEFERRED = [named("plain"), named("x", defer_loading=True), named("y", defer_loading=True), named("ToolSearch")]
INLINE = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": named("inline")}}

LOADED: dict[str, tuple[list[dict[str, Any]], list[str], list[str]]] = {
    "deferred tools are not sent": ([QUESTION], ["plain", "ToolSearch"], []),
    "until a reference names them": ([user(found("x"))], ["plain", "ToolSearch", "x"], []),
    "in the order in which they were first named": (
        [user(found("y")), user(found("x", "y"))],
        ["plain", "ToolSearch", "y", "x"],
        [],
    ),
    "a tool result of text loads nothing": (
        [user({"type": "tool_result", "tool_use_id": "1", "content": "tool_reference x"})],
        ["plain", "ToolSearch"],
        [],
    ),
    "a reference to a tool that is gone": (
        [user(found("z"))],
        ["plain", "ToolSearch"],
        ["messages.0.content.0.content.0: the tool that it names is not in tools"],
    ),
    "a search by Anthropic's own tool, in the history": (
        [
            assistant(
                {
                    "type": "tool_search_tool_result",
                    "tool_use_id": "srvtoolu_1",
                    "content": {
                        "type": "tool_search_tool_search_result",
                        "tool_references": [{"type": "tool_reference", "tool_name": "x"}, "odd"],
                    },
                }
            )
        ],
        ["plain", "ToolSearch", "x"],
        [],
    ),
    "a failed search loads nothing": (
        [assistant({"type": "tool_search_tool_result", "content": {"error_code": "unavailable"}})],
        ["plain", "ToolSearch"],
        [],
    ),
    "an addition in mid-conversation": (
        [QUESTION, system(change("tool_addition", "y"))],
        ["plain", "ToolSearch", "y"],
        [],
    ),
    "a removal": ([QUESTION, system(change("tool_removal", "plain"))], ["ToolSearch"], []),
    "a removal of what was loaded": (
        [user(found("x")), system(change("tool_removal", "x"))],
        ["plain", "ToolSearch"],
        [],
    ),
    "a tool that comes back takes its old place": (
        [QUESTION, system(change("tool_removal", "plain"), change("tool_addition", "plain"))],
        ["plain", "ToolSearch"],
        [],
    ),
    "a definition inside a message": ([QUESTION, system(INLINE)], ["plain", "ToolSearch", "inline"], []),
    "a client tool defined inside a message": (
        [
            QUESTION,
            system(
                {
                    "type": "tool_addition",
                    "tool": {"type": "tool_definition", "definition": {"type": "bash_20250124", "name": "bash"}},
                }
            ),
        ],
        ["plain", "ToolSearch", "bash"],
        [],
    ),
    "which can be removed by name": (
        [QUESTION, system(INLINE), system(change("tool_removal", "inline"))],
        ["plain", "ToolSearch"],
        [],
    ),
    "a definition anew replaces the old one in its place": (
        [
            QUESTION,
            system({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": named("plain")}}),
        ],
        ["plain", "ToolSearch"],
        [],
    ),
    "changes that a summary carries": (
        [user({"type": "compaction", "content": "So far.", "tool_changes": [change("tool_addition", "x"), "odd"]})],
        ["plain", "ToolSearch", "x"],
        [],
    ),
    "tools of an MCP server": (
        [
            QUESTION,
            system(
                {"type": "tool_addition", "tool": {"type": "mcp_tool_reference", "name": "t", "server_name": "s"}},
                {"type": "tool_removal", "tool": {"type": "mcp_toolset_reference", "server_name": "s"}},
            ),
        ],
        ["plain", "ToolSearch"],
        [
            f"messages.1.content.{place}: MCP toolsets are not available through this proxy; "
            "connect the MCP server in the client"
            for place in (0, 1)
        ],
    ),
}


@pytest.mark.parametrize(("messages", "names", "dropped"), LOADED.values(), ids=LOADED.keys())
def test_deferred(messages: list[dict[str, Any]], names: list[str], dropped: list[str]) -> None:
    tools = tools_of(DEFERRED, messages=messages)
    assert names_of(tools) == names
    assert tools.dropped == dropped


def test_what_was_sent_stays_in_front_when_more_is_loaded() -> None:
    turns = [QUESTION, user(found("y")), user(found("x")), system(INLINE)]
    sent = [tools_of(DEFERRED, messages=turns[: end + 1]).definitions for end in range(len(turns))]
    assert [len(definitions) for definitions in sent] == [2, 3, 4, 5]
    assert all(later[: len(earlier)] == earlier for earlier, later in itertools.pairwise(sent))


def test_with_anthropics_own_search_all_tools_are_sent_in_their_order() -> None:
    searcher: Tool = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    tools = tools_of([searcher, *DEFERRED])
    assert names_of(tools) == ["plain", "x", "y", "ToolSearch"]
    assert tools.dropped == []


def test_a_forced_tool_is_sent_though_deferred() -> None:
    tools = tools_of(DEFERRED, {"type": "tool", "name": "y"})
    assert names_of(tools) == ["plain", "ToolSearch", "y"]


# --- What cannot be had

DROPPED: dict[str, tuple[list[Tool], list[str]]] = {
    "a server tool beside others": (
        [named("a"), SEARCH, FETCH],
        [
            "tools.1: web_search is not available through this proxy",
            "tools.2: web_fetch is not available through this proxy",
        ],
    ),
    "an MCP toolset beside others": (
        [{"type": "mcp_toolset", "mcp_server_name": "s"}, {"type": "mcp_toolset", "mcp_server_name": "t"}, named("a")],
        [
            f"tools.{place}: MCP toolsets are not available through this proxy; connect the MCP server in the client"
            for place in (0, 1)
        ],
    ),
    "a type from the future": (
        [named("a"), {"type": "telepathy_20290101", "name": "telepathy"}],
        ["tools.1: tool type 'telepathy_20290101' is not available through this proxy"],
    ),
    "a tool only code may call": (
        [named("a"), named("b", allowed_callers=["code_execution_20250825"])],
        ["tools.1: only code that runs at Anthropic may call it (allowed_callers)"],
    ),
}


@pytest.mark.parametrize(("tools", "dropped"), DROPPED.values(), ids=DROPPED.keys())
def test_dropped(tools: list[Tool], dropped: list[str]) -> None:
    result = tools_of(tools)
    assert names_of(result) == ["a"]
    assert result.dropped == dropped


def test_a_tool_only_code_may_call_is_dropped_even_alone() -> None:
    tools = tools_of([named("b", allowed_callers=["code_execution_20250825"])])
    assert (tools.definitions, len(tools.dropped)) == ([], 1)


def test_a_server_tool_alone_is_dropped_where_no_tool_may_be_called() -> None:
    tools = tools_of([SEARCH], {"type": "none"})
    assert (tools.definitions, tools.choice, len(tools.dropped)) == ([], None, 1)


def defined(definition: object) -> list[dict[str, Any]]:
    return [QUESTION, system({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}})]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two tools of one name": ({"tools": [named("a"), named("a")]}, "tools: Tool names must be unique."),
    "a custom tool called as a client tool": (
        {"tools": [named("bash"), {"type": "bash_20250124"}]},
        "tools: Tool names must be unique.",
    ),
    "a choice of a tool that is not there": (
        {"tools": [named("a")], "tool_choice": {"type": "tool", "name": "X"}},
        "tool_choice.name: tool 'X' not found in tools",
    ),
    "a choice of a tool that was removed": (
        {
            "tools": [named("a"), named("b")],
            "tool_choice": {"type": "tool", "name": "b"},
            "messages": [QUESTION, system(change("tool_removal", "b"))],
        },
        "tool_choice.name: tool 'b' not found in tools",
    ),
    "web search alone": ({"tools": [SEARCH]}, "tools.0: web_search is not available through this proxy"),
    "web search alone, with a choice": (
        {"tools": [SEARCH], "tool_choice": {"type": "auto"}},
        "tools.0: web_search is not available through this proxy",
    ),
    "server tools only": ({"tools": [FETCH, SEARCH]}, "tools.0: web_fetch is not available through this proxy"),
    "web search beside deferred tools": (
        {"tools": [named("x", defer_loading=True), SEARCH]},
        "tools.1: web_search is not available through this proxy",
    ),
    "web search forced": (
        {"tools": [named("a"), SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}},
        "tools.1: web_search is not available through this proxy",
    ),
    "a tool for code forced": (
        {
            "tools": [named("a"), named("b", allowed_callers=["code_execution_20250825"])],
            "tool_choice": {"type": "tool", "name": "b"},
        },
        "tools.1: only code that runs at Anthropic may call it (allowed_callers)",
    ),
    "an unknown type alone": (
        {"tools": [{"type": "telepathy_20290101", "name": "telepathy"}]},
        "tools.0: tool type 'telepathy_20290101' is not available through this proxy",
    ),
    "a change without a tool": (
        {"messages": [QUESTION, system({"type": "tool_removal"})]},
        "messages.1.content.0.tool: Input should be an object",
    ),
    "a definition that is none": (
        {"messages": defined("a")},
        "messages.1.content.0.tool.definition: Input should be an object",
    ),
    "a definition without a schema": (
        {"messages": defined({"name": "a"})},
        "messages.1.content.0.tool.definition.input_schema: Field required",
    ),
    "a definition with an odd name": (
        {"messages": defined({"name": 1, "input_schema": {}})},
        "messages.1.content.0.tool.definition.name: Input should be a valid string",
    ),
}


@pytest.mark.parametrize(("request_", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat_tools(cast("MessagesRequest", {"messages": [QUESTION], **request_}), PLAIN, False)
    assert refused.value.message == message
    assert refused.value.status == 400


SEARCHES = replace(PLAIN, web_search="openrouter")


def test_web_search_is_handed_on_where_the_backend_can_search() -> None:
    alone = tools_of([SEARCH], dialect=SEARCHES)
    assert (alone.web_search, alone.definitions, alone.choice, alone.dropped) == (SEARCH, [], None, [])
    beside = tools_of([SEARCH, named("a")], {"type": "tool", "name": "web_search"}, SEARCHES)
    assert (beside.web_search, names_of(beside), beside.choice) == (SEARCH, ["a"], None)
    assert tools_of([named("a")], dialect=SEARCHES).web_search is None
    assert tools_of([SEARCH, named("a")], {"type": "none"}, SEARCHES).web_search is None


def test_limits_of_a_search_that_the_backend_does_not_know_are_named() -> None:
    search = {**SEARCH, "allowed_domains": ["a.example"]}
    known = tools_of([search], dialect=SEARCHES)
    unknown = tools_of([search], dialect=replace(PLAIN, web_search="openai"))
    assert known.dropped == []
    assert unknown.dropped == ["tools.0.allowed_domains: this upstream's search cannot be told so"]


# --- Tools that models are not trained for

SCREEN = {"name": "computer", "display_width_px": 1024, "display_height_px": 768}

NOTED: dict[str, tuple[Tool, list[str]]] = {
    "one tool for the desktop": ({"type": "computer_20250124", **SCREEN}, ["tools.1.computer"]),
    "of a date from the future": ({"type": "computer_20991231", **SCREEN}, ["tools.1.computer"]),
    "a toolset for the desktop": ({"type": "computer_toolset_20260801"}, ["tools.1.computer_toolset"]),
    "a shell": ({"type": "bash_20250124", "name": "bash"}, []),
    "a tool of the client's own by that name": (named("computer"), []),
}


@pytest.mark.parametrize(("tool", "places"), NOTED.values(), ids=NOTED.keys())
def test_a_tool_that_needs_training_is_noted(tool: Tool, places: list[str]) -> None:
    tools = tools_of([named("a"), tool])
    assert tools.notes == [f"{place}: {UNTRAINED}" for place in places]
    assert tools.dropped == []


# --- Backends that want definitions for the calls in the history

CALLED = [
    assistant(call("b"), call("left_click", toolset_name="computer"), call("b")),
    assistant({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
]


def bare(name: str) -> ChatTool:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


HISTORY: dict[str, tuple[Dialect, list[Tool], dict[str, Any] | None, list[ChatTool], object, list[str]]] = {
    "definitions are rebuilt from the calls": (
        NEEDS_TOOLS,
        [],
        None,
        [bare("b"), bare("computer__left_click"), bare("web_search")],
        "none",
        [],
    ),
    "unless the request has tools": (NEEDS_TOOLS, [named("a")], None, [function("a")], None, []),
    "unless the backend does not want them": (PLAIN, [], None, [], None, []),
    "none by taking tools away is told instead": (
        replace(AUTO_ONLY, tools_with_history=True),
        [named("a")],
        {"type": "none"},
        [function("a")],
        None,
        [MUST_NOT_CALL],
    ),
}


@pytest.mark.parametrize(
    ("dialect", "tools", "choice", "definitions", "value", "lines"), HISTORY.values(), ids=HISTORY.keys()
)
def test_history(
    dialect: Dialect,
    tools: list[Tool],
    choice: dict[str, Any] | None,
    definitions: list[ChatTool],
    value: object,
    lines: list[str],
) -> None:
    result = tools_of(tools, choice, dialect, CALLED)
    assert (result.definitions, result.choice, result.instructions) == (definitions, value, lines)


def test_a_history_without_calls_needs_no_tools() -> None:
    tools = tools_of([], dialect=NEEDS_TOOLS)
    assert (tools.definitions, tools.choice) == ([], None)


# --- The SDK's own list of tools


def sdk_types() -> list[str]:
    """Every `type` that a tool can have in Anthropic's SDK, beta included."""
    kinds: dict[str, None] = {}
    for union in (tool_union_param.ToolUnionParam, beta_tool_union_param.BetaToolUnionParam):
        for tool in typing.get_args(union):
            hint = typing.get_type_hints(tool)["type"]
            for kind in typing.get_args(hint):
                kinds |= dict.fromkeys(typing.get_args(kind) or ([kind] if isinstance(kind, str) else []))
    return list(kinds)


FUNCTIONS = ("bash", "text_editor", "memory", "computer", "computer_toolset", "browser_toolset")
AT_ANTHROPIC = {
    "web_search": "web_search is not available",
    "web_fetch": "web_fetch is not available",
    "code_execution": "code_execution is not available",
    "advisor": "advisor is not available",
    "mcp_toolset": "MCP toolsets are not available",
}


def test_the_sdk_has_tools() -> None:
    assert len(sdk_types()) >= 28


@pytest.mark.parametrize("kind", sdk_types())
def test_every_tool_of_the_sdk_is_handled_or_refused_by_name(kind: str) -> None:
    family = kind.rstrip("0123456789").rstrip("_")
    tool: Tool = {"type": kind, "name": "the_tool", "display_width_px": 800, "display_height_px": 600}
    deferred = named("deferred", defer_loading=True)
    if kind == "custom":
        assert names_of(tools_of([{**tool, "input_schema": {}}])) == ["the_tool"]
    elif family in FUNCTIONS:
        assert names_of(tools_of([tool]))
        assert tools_of([tool]).dropped == []
    elif family.startswith("tool_search_tool"):
        assert names_of(tools_of([tool, deferred])) == ["deferred"]
    else:
        assert names_of(tools_of([tool, named("a")])) == ["a"]
        assert AT_ANTHROPIC[family] in tools_of([tool, named("a")]).dropped[0]
        with pytest.raises(InvalidRequest, match=AT_ANTHROPIC[family]):
            tools_of([tool])


def only_texts(content: Any) -> Any:
    return [block for block in content if block["type"] == "text"] if isinstance(content, list) else content


@given(requests, backends, st.booleans())
def test_without_tools_the_short_way_comes_to_what_the_long_one_does(
    body: dict[str, Any], backend: str, thinking: bool
) -> None:
    said = [{**message, "content": only_texts(message["content"])} for message in body["messages"]]
    request = messages_request({**body, "messages": said, "tools": [], "tool_choice": None})
    assert not mentions_tools(request)
    # A choice among no tools changes nothing, but leads the long way.
    longer: Any = {**request, "tool_choice": {"type": "auto"}}
    assert mentions_tools(longer)
    dialect = dialect_for("http://127.0.0.1:1/v1", "m", name=backend)
    short, long = (msgspec.structs.asdict(chat_tools(each, dialect, thinking)) for each in (request, longer))
    del short["names"], long["names"]  # which nothing has been asked of
    long["dropped"] = []
    assert short == long
