"""The tool side of a request: `tools` and `tool_choice` in the words of Chat Completions."""

from typing import Any, NamedTuple

from msgspec import Struct

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.chat.active_tools import (
    NO_MCP,
    SEARCHERS,
    Offered,
    called_tools,
    mentions_tools,
    offered_tools,
)
from anthropic_proxy.translate.chat.client_tools import CLIENT_TOOLS, ClientTool, family_of
from anthropic_proxy.translate.chat.schema import clean_schema, fits_strict
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.chat.toolsets import TOOLSETS, members
from anthropic_proxy.translate.chat.web_search import unsearched
from anthropic_proxy.wire.anthropic import MessagesRequest, Tool
from anthropic_proxy.wire.chat import ChatTool
from anthropic_proxy.wire.json import dumps

MUST_CALL = "You must call one of the tools."
MUST_NOT_CALL = "Do not call any tool."
"""Lines for the system message, for backends without the `tool_choice` that says so."""

ON_SCREEN = frozenset({"computer", "computer_toolset"})
"""Families of tools that act on what a screenshot shows."""

UNTRAINED = "goes out as an ordinary function with coordinates in pixels; few models are trained to hit what they see"


class Tools(Struct, frozen=True):
    """All that follows from a request's tools."""

    definitions: list[ChatTool]
    """Ready to send; empty where there are none. The last one bears the client's `cache_control`, if the
    dialect carries it: it counts among the four that a request may have."""
    choice: object
    """Value for `tool_choice`; None leaves it out."""
    parallel: bool | None
    """Value for `parallel_tool_calls`; None leaves it out."""
    only_one: bool
    """The reader keeps a reply's first call only."""
    names: ToolNames
    buffered: frozenset[str]
    """Client names of the tools whose arguments are not to be streamed (`eager_input_streaming: false`)."""
    instructions: list[str]
    """Lines to append to the system message."""
    web_search: Tool | None
    """The web search that was asked for, where the backend can search."""
    thinking_off: bool
    """A call is forced, and the backend cannot think meanwhile."""
    dropped: list[str]
    """What could not be sent: `tools.3: reason`."""
    notes: list[str]
    """What is sent and may not work as well as with Claude: `tools.3.computer: why`."""


def chat_tools(request: MessagesRequest, dialect: Dialect, thinking_on: bool) -> Tools:
    """The tools of `request`, as the backend takes them.

    Raises InvalidRequest for two tools of one name, a choice that names no tool, and a tool that only
    Anthropic's servers can run where it is forced or nothing else is offered.
    """
    if not mentions_tools(request):
        return _no_tools(dialect)
    choice = request.get("tool_choice") or {"type": "auto"}
    offered, dropped = offered_tools(request)
    offer = _Offer(dialect)
    for entry in offered:
        offer.add(entry)
    offer.refuse(choice)

    called = called_tools(request["messages"]) if dialect.tools_with_history else []
    definitions, value, line = _choice(choice, offer, dialect, keep=bool(called))
    if called and not definitions:
        definitions = [_bare(offer.names.sent(name, toolset)) for name, toolset in called]
        value = "none"
    if definitions and offer.mark and dialect.cache == "anthropic":
        definitions[-1]["cache_control"] = offer.mark
    only_one = choice.get("disable_parallel_tool_use") is True
    return Tools(
        definitions=definitions,
        choice=value,
        parallel=False if only_one and definitions and dialect.parallel_flag else None,
        only_one=only_one,
        names=offer.names,
        buffered=frozenset(offer.buffered),
        instructions=[*offer.instructions, *line],
        web_search=None if choice["type"] == "none" else offer.web_search,
        thinking_off=thinking_on and not dialect.forced_tool_while_thinking and value not in (None, "none"),
        dropped=[*dropped, *offer.dropped],
        notes=offer.notes,
    )


def _no_tools(dialect: Dialect) -> Tools:
    """Fast path: to find out that there are none takes longer than all else of a small request's tools."""
    return Tools(
        definitions=[],
        choice=None,
        parallel=None,
        only_one=False,
        names=ToolNames(dialect),
        buffered=_NONE,
        instructions=[],
        web_search=None,
        thinking_off=False,
        dropped=[],
        notes=[],
    )


_NONE: frozenset[str] = frozenset()


class _Refusal(NamedTuple):
    """A tool that cannot be offered. `alone`: without any other tool the request makes no sense."""

    path: str
    name: str
    reason: str
    alone: bool = True


class _Offer:
    """What the model is offered, gathered tool by tool."""

    def __init__(self, dialect: Dialect) -> None:
        self.names = ToolNames(dialect)
        self.definitions: list[ChatTool] = []
        self.buffered: set[str] = set()
        self.instructions: list[str] = []
        self.web_search: Tool | None = None
        self.mark: dict[str, Any] | None = None
        self.dropped: list[str] = []
        self.notes: list[str] = []
        self._dialect = dialect
        self._taken: set[str] = set()
        self._refusals: list[_Refusal] = []
        self._steps = {name: (step, keyword) for name, step, keyword in dialect.schema_steps}

    def add(self, entry: Offered) -> None:
        path, tool = entry.path, entry.tool
        kind = tool.get("type") or "custom"
        if "allowed_callers" in tool and _is_for_code(tool):
            reason = "only code that runs at Anthropic may call it (allowed_callers)"
            self._refusals.append(_Refusal(path, tool.get("name") or "", reason, alone=False))
        elif kind == "custom":
            custom = ClientTool(tool["name"], "", tool.get("description") or "", tool["input_schema"])
            self._define(path, tool, custom)
        else:
            self._add_anthropics(path, tool, *family_of(kind))
        control = tool.get("cache_control")
        if isinstance(control, dict):
            self.mark = control

    def _add_anthropics(self, path: str, tool: Tool, family: str, version: str) -> None:
        if family in ON_SCREEN:
            self.notes.append(f"{path}.{family}: {UNTRAINED}")
        if family in CLIENT_TOOLS:
            self._define(path, tool, CLIENT_TOOLS[family](tool, version))
        elif family in TOOLSETS:
            for member in members(tool, TOOLSETS[family]):
                self._define(path, tool, member)
        elif family == "web_search" and self._dialect.web_search != "none":
            self.web_search = tool
            told = "this upstream's search cannot be told so"
            self.dropped += [f"{path}.{field}: {told}" for field in unsearched(tool, self._dialect)]
        elif family not in SEARCHERS:
            self._refusals.append(_Refusal(path, tool.get("name") or "", _unavailable(family, tool)))

    def refuse(self, choice: dict[str, Any]) -> None:
        """Drops what cannot be offered. Raises InvalidRequest where dropping it would invent an answer."""
        forced = choice["name"] if choice["type"] == "tool" else None
        nothing_left = not self.definitions and self.web_search is None and choice["type"] != "none"
        for refusal in self._refusals:
            message = f"{refusal.path}: {refusal.reason}"
            if refusal.name == forced or (nothing_left and refusal.alone):
                raise InvalidRequest(message)
            self.dropped.append(message)

    def _define(self, path: str, tool: Tool, function: ClientTool) -> None:
        name = self.names.sent(function.name, function.toolset)
        if name in self._taken:
            raise InvalidRequest("tools: Tool names must be unique.")
        self._taken.add(name)
        step, keyword = self._steps.get(name, _NO_STEP)
        parameters = clean_schema(function.schema, self._dialect.schema, step, keyword)
        definition: dict[str, Any] = {"name": name}
        description = function.description
        if "input_examples" in tool:
            description = "\n\n".join(filter(None, (description, _examples(tool))))
        if description:
            definition["description"] = self._cut(name, description)
        definition["parameters"] = parameters
        if tool.get("strict") is True:
            self._set_strict(path, definition)
        self.definitions.append({"type": "function", "function": definition})
        if tool.get("eager_input_streaming") is False:
            self.buffered.add(function.name)

    def _cut(self, name: str, description: str) -> str:
        """The description cut to what the backend takes; the whole then goes to the system message."""
        limit = self._dialect.description_max
        if limit is None or len(description) <= limit:
            return description
        self.instructions.append(f"The whole description of the tool {name}:\n{description}")
        return f"{description[: max(limit - 1, 0)]}…"

    def _set_strict(self, path: str, definition: dict[str, Any]) -> None:
        if not self._dialect.strict_flag:
            self.dropped.append(f"{path}.strict: not known to this upstream")
        elif not fits_strict(definition["parameters"]):
            self.dropped.append(f"{path}.strict: the schema is outside the subset that can be enforced")
        else:
            definition["strict"] = True


_NO_STEP = (0, "")


def _is_for_code(tool: Tool) -> bool:
    callers = tool.get("allowed_callers")
    return isinstance(callers, list) and bool(callers) and "direct" not in callers


def _unavailable(family: str, tool: Tool) -> str:
    if family == "mcp_toolset":
        return NO_MCP
    known = family in ("web_search", "web_fetch", "code_execution", "advisor")
    return f"{family if known else 'tool type ' + repr(tool['type'])} is not available through this proxy"


def _examples(tool: Tool) -> str:
    examples = tool.get("input_examples")
    if not isinstance(examples, list) or not examples:
        return ""
    return "\n".join(["Examples:", *(dumps(example).decode() for example in examples)])


def _bare(name: str) -> ChatTool:
    """A tool of which only the name is known, from the history."""
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


_KNOWS_NONE = ("all", "no_named", "no_required")
_KNOWS_REQUIRED = ("all", "no_named")
"""Values of `Dialect.tool_choice` with which `none` and `required` are understood."""


def _choice(
    choice: dict[str, Any], offer: _Offer, dialect: Dialect, keep: bool
) -> tuple[list[ChatTool], object, list[str]]:
    """The definitions to send, the value for `tool_choice`, and lines for the system message.

    `keep` says that the history has calls for which the backend wants definitions.
    """
    definitions = offer.definitions
    if not definitions or choice["type"] == "auto":
        return definitions, None, []
    if choice["type"] == "none":
        if dialect.tool_choice in _KNOWS_NONE:
            return definitions, "none", []
        return (definitions, None, [MUST_NOT_CALL]) if keep else ([], None, [])
    if choice["type"] == "tool":
        name = offer.names.sent(choice["name"])
        named = [definition for definition in definitions if definition["function"]["name"] == name]
        if not named:
            return definitions, None, []
        if dialect.tool_choice == "all":
            return definitions, {"type": "function", "function": {"name": name}}, []
        definitions = named
    if dialect.tool_choice in _KNOWS_REQUIRED:
        return definitions, "required", []
    return definitions, None, [MUST_CALL]
