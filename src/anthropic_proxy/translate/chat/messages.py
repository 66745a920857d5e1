"""Messages: each turn of an Anthropic conversation as the chat messages that say the same.

Each turn is translated from itself and what came before it, never from what follows, so that the
prompt's prefix stays the same from request to request and the upstream's cache finds it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import UnsupportedBlock
from anthropic_proxy.translate.chat import parts as part
from anthropic_proxy.translate.chat.ids import sent_call_id
from anthropic_proxy.translate.chat.parts import Conversion, Part
from anthropic_proxy.translate.chat.thinking import reasoning_back
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.chat.turns import Placed, Turn
from anthropic_proxy.wire.anthropic import Block
from anthropic_proxy.wire.chat import ChatMessage
from anthropic_proxy.wire.json import InvalidJson, dumps, loads

INTERRUPTED = "(no result: the call was interrupted)"
NO_OUTPUT = "(no output)"
OMITTED_IMAGE = "[image omitted: the model cannot see images]"
CONTINUES = "(conversation continues)"
BRIDGE = "Understood."
"""Stands between tool results and a user message where a template forbids their meeting."""


@dataclass(slots=True)
class Call:
    """One tool call of the last assistant turn, waiting for its results."""

    call_id: str
    sent_id: str
    name: str
    results: list[Placed] = field(default_factory=list)


@dataclass(slots=True)
class Assembly:
    """Turns a conversation into chat messages, turn by turn."""

    dialect: Dialect
    model: str
    names: ToolNames
    conversion: Conversion
    cleared_turns: frozenset[int] = frozenset()
    """Assistant turns, by position, whose thinking the client's context management takes away."""
    messages: list[ChatMessage] = field(default_factory=list)
    marks: list[tuple[ChatMessage, dict[str, Any]]] = field(default_factory=list)
    """Messages in which the client marked a block for caching, with the last mark of each."""
    call_ids: set[str] = field(default_factory=set)
    """Ids of all calls in the history, in the client's terms."""
    _waiting: list[Call] = field(default_factory=list)

    def add(self, position: int, turn: Turn) -> None:
        """Appends the messages of one turn."""
        if turn.role == "assistant":
            self._answer_missing()
            self._add_assistant(position, turn.blocks)
        elif turn.role == "user":
            self._add_user(turn.blocks)
        else:
            content = "\n\n".join(placed.block["text"] for placed in turn.blocks)
            self._append({"role": self.dialect.system_role, "content": content}, turn.blocks)

    def close(self) -> None:
        """Answers the calls that nobody will answer any more."""
        self._answer_missing()

    def _append(self, message: ChatMessage, blocks: list[Placed]) -> None:
        self.messages.append(message)
        mark = next((p.block["cache_control"] for p in reversed(blocks) if p.block.get("cache_control")), None)
        if mark is not None:
            self.marks.append((message, mark))

    # User turns

    def _add_user(self, blocks: list[Placed]) -> None:
        orphans = self._match_results(blocks)
        moved = self._add_tool_messages()
        parts: list[Part] = []
        rest = []
        for placed in blocks:
            if placed.block["type"] != "tool_result":
                parts += part.user_parts(placed.block, placed.path, self.conversion)
                rest.append(placed)
            elif id(placed.block) in orphans:
                parts += self._orphan(placed)
            else:
                parts += moved.get(id(placed.block), [])
        if not parts:
            return
        if self.dialect.after_tool == "bridge" and self.messages and self.messages[-1]["role"] == "tool":
            self._bridge(parts, rest)
        else:
            self._append({"role": "user", "content": self._user_content(parts)}, rest)

    def _user_content(self, parts: list[Part]) -> str | list[Part]:
        if all(item["type"] == "text" for item in parts):
            return "\n\n".join(item["text"] for item in parts)
        return parts

    def _bridge(self, parts: list[Part], blocks: list[Placed]) -> None:
        """For templates that refuse a user message right after a tool message: Mistral's."""
        content = self._user_content(parts)
        if isinstance(content, str):
            last = self.messages[-1]
            last["content"] = f"{last['content']}\n\n{content}"
        else:
            self.messages.append({"role": "assistant", "content": BRIDGE})
            self._append({"role": "user", "content": content}, blocks)

    def _match_results(self, blocks: list[Placed]) -> set[int]:
        """Gives each result to its call. Returns the blocks that answer no call of the turn before."""
        orphans = set()
        for placed in blocks:
            if placed.block["type"] != "tool_result":
                continue
            answered = [call for call in self._waiting if call.call_id == placed.block["tool_use_id"]]
            if not answered:
                orphans.add(id(placed.block))
                continue
            next((call for call in answered if not call.results), answered[0]).results.append(placed)
        return orphans

    def _add_tool_messages(self) -> dict[int, list[Part]]:
        """One tool message a call, in the order of the calls. Returns the media that each result moves on."""
        moved: dict[int, list[Part]] = {}
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            if not call.results:
                self._append(self._interrupted(call), [])
                continue
            contents = []
            for placed in call.results:
                content, moved[id(placed.block)] = tool_content(placed, call, self.conversion)
                contents.append(content)
            self._append(tool_message(call, contents, self.dialect), call.results)
        return moved

    def _interrupted(self, call: Call) -> ChatMessage:
        self.conversion.dropped.append(
            "messages: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{call.call_id}; the model is told that the call was interrupted"
        )
        return tool_message(call, [INTERRUPTED], self.dialect)

    def _answer_missing(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            self._append(self._interrupted(call), [])

    def _orphan(self, placed: Placed) -> list[Part]:
        """A result whose call is not in the turn before: as text, for no backend takes it otherwise."""
        call_id = placed.block["tool_use_id"]
        self.conversion.dropped.append(f"{placed.path}: answers no tool_use of the turn before; sent as text")
        content, media = tool_content(placed, Call(call_id, call_id, "unknown tool"), self.conversion)
        plain = content if isinstance(content, str) else "\n".join(p["text"] for p in content if p["type"] == "text")
        return [part.text(f"Result of tool call {call_id}:\n{plain}"), *media]

    # Assistant turns

    def _add_assistant(self, position: int, blocks: list[Placed]) -> None:
        segments = _Segments(self, blocks)
        for placed in blocks:
            handle = ASSISTANT_BLOCKS.get(placed.block["type"])
            if handle is not None:
                handle(segments, placed)
            elif placed.block["type"] in ASSISTANT_REFUSED:
                raise UnsupportedBlock(f"{placed.path}: {ASSISTANT_REFUSED[placed.block['type']]}")
            elif not _is_answer(placed.block):
                reason = ASSISTANT_DROPPED.get(placed.block["type"], "not known to this proxy")
                self.conversion.dropped.append(f"{placed.path}.{placed.block['type']}: {reason}")
        segments.close(blocks, cleared=position in self.cleared_turns)

    def new_call(self, block: Block) -> Call:
        """A tool call of the history, its id made unique: a damaged history may use one twice."""
        call_id = unique_id = block["id"]
        count = 1
        while unique_id in self.call_ids:
            count += 1
            unique_id = f"{call_id}_{count}"
        self.call_ids.add(unique_id)
        name = self.names.sent(block["name"], block.get("toolset_name") or "")
        return Call(call_id, sent_call_id(unique_id, self.dialect), name)


class _Segments:
    """The messages of one assistant turn, which tools run by another server split into several."""

    def __init__(self, assembly: Assembly, blocks: list[Placed]) -> None:
        self.assembly = assembly
        self.results = {p.block.get("tool_use_id"): p.block for p in blocks if _is_answer(p.block)}
        self.texts: list[str] = []
        self.cited = False
        self.calls: list[tuple[Call, Block]] = []
        self.thinking: list[Block] = []

    def text(self, placed: Placed) -> None:
        self.texts.append(placed.block["text"])
        self.cited = self.cited or bool(placed.block.get("citations"))

    def document(self, placed: Placed) -> None:
        """Older API versions allowed documents here; only their text can be said by an assistant."""
        conversion = self.assembly.conversion
        if placed.block["source"]["type"] not in ("text", "content"):
            conversion.dropped.append(f"{placed.path}.document: an assistant message holds text only")
            return
        self.texts += [
            p["text"] for p in part.document_parts(placed.block, placed.path, conversion) if p["type"] == "text"
        ]

    def call(self, placed: Placed) -> None:
        self.calls.append((self.assembly.new_call(placed.block), placed.block))

    def server_call(self, placed: Placed) -> None:
        """A call that another server ran: told as a call and its result, the only shape models know."""
        block = placed.block
        call = self.assembly.new_call(block)
        result = self.results.get(block["id"])
        message = self._message([(call, block)])
        self.assembly.messages.append(message)
        content = part.rendered_server_result(result) if result else ""
        self.assembly.messages.append(tool_message(call, [content.strip() or NO_OUTPUT], self.assembly.dialect))
        self.texts, self.cited = [], False

    def think(self, placed: Placed) -> None:
        self.thinking.append(placed.block)

    def summary(self, placed: Placed) -> None:
        """A compaction stands before everything else, as if the user had told it."""
        parts = part.summary_parts(placed.block, placed.path, self.assembly.conversion)
        if parts:
            self.assembly.messages.append({"role": "user", "content": parts[0]["text"]})

    def close(self, blocks: list[Placed], cleared: bool) -> None:
        assembly = self.assembly
        assembly._waiting = [call for call, _ in self.calls]
        if not self.texts and not self.calls:
            return
        message = self._message(self.calls)
        dialect = assembly.dialect
        ids = [block["id"] for _, block in self.calls]
        reasoning = reasoning_back(self.thinking, dialect, assembly.model, ids, cleared)
        for entry, (_, block) in zip(message.get("tool_calls", []), self.calls, strict=True):
            entry.update(reasoning.calls.get(block["id"], {}))
        thought = dict(reasoning.message)
        parts = thought.pop("parts", None)
        if isinstance(parts, list):
            message["content"] = [*parts, *([part.text(message["content"])] if message["content"] else [])]
        assembly._append({**message, **thought}, blocks)

    def _message(self, calls: list[tuple[Call, Block]]) -> ChatMessage:
        dialect = self.assembly.dialect
        content: str | None = ("" if self.cited else "\n\n").join(self.texts)
        if not content and calls and dialect.null_content:
            content = None
        message: ChatMessage = {"role": "assistant", "content": content}
        if calls:
            message["tool_calls"] = [
                {
                    "id": call.sent_id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": arguments(block.get("input"))},
                }
                for call, block in calls
            ]
        return message


ASSISTANT_BLOCKS: dict[str, Callable[[_Segments, Placed], None]] = {
    "text": _Segments.text,
    "document": _Segments.document,
    "tool_use": _Segments.call,
    "server_tool_use": _Segments.server_call,
    "mcp_tool_use": _Segments.server_call,
    "thinking": _Segments.think,
    "redacted_thinking": _Segments.think,
    "compaction": _Segments.summary,
}
"""Assistant blocks that are told to the model. Results of server tools are told with their call."""

ASSISTANT_REFUSED: dict[str, str] = {
    "image": "images belong into user messages",
    "search_result": "search results belong into user messages",
    "tool_result": "tool_result belongs into user messages",
}
"""Assistant blocks that are refused, and why."""

ASSISTANT_DROPPED: dict[str, str] = {
    "advisor_tool_result": "says nothing to another model",
    "fallback": "names a model of another server",
    "mcp_tool_listing": "lists tools of another server",
    "container_upload": "names a file in another server's container",
    "tool_reference": "loads the tool and says nothing",
}
"""Assistant blocks that are left out, and why. So is any type nobody here knows: debris of another server."""


def _is_answer(block: Block) -> bool:
    """Is it the result of a server tool? It is told where its call stands."""
    return str(block["type"]).endswith("_tool_result")


def arguments(value: object) -> str:
    """A call's input as JSON text. Claude Code sends a string where the model had encoded it twice."""
    if isinstance(value, str):
        try:
            decoded = loads(value.encode(errors="replace"))
        except InvalidJson:
            decoded = None
        value = decoded if isinstance(decoded, dict) else {"input": value}
    return dumps(value if isinstance(value, dict) else {}).decode()


def tool_message(call: Call, contents: list[str | list[Part]] | list[str], dialect: Dialect) -> ChatMessage:
    """The `tool` message for one call, from the content of its `tool_result` blocks."""
    content = contents[0] if len(contents) == 1 else _one_content(list(contents))
    message: ChatMessage = {"role": "tool", "tool_call_id": call.sent_id, "content": content}
    if dialect.tool_result_name:
        message["name"] = call.name
    return message


def _one_content(contents: list[str | list[Part]]) -> str | list[Part]:
    """Several results of one call as one content."""
    if all(isinstance(content, str) for content in contents):
        return "\n".join(str(content) for content in contents)
    return [item for content in contents for item in ([part.text(content)] if isinstance(content, str) else content)]


def tool_content(placed: Placed, call: Call, conversion: Conversion) -> tuple[str | list[Part], list[Part]]:
    """The content of a `tool_result`, and the media that must follow in the user message.

    `tool` messages hold text alone on most backends. So a picture leaves a pointer in its place, and
    comes labelled with the tool and the call.
    """
    block = placed.block
    blocks = block["content"] if isinstance(block["content"], list) else [{"type": "text", "text": block["content"]}]
    inline = conversion.dialect.tool_images
    parts: list[Part] = []
    moved: list[Part] = []
    for number, inner in enumerate(blocks):
        for item in _result_parts(inner, f"{placed.path}.content.{number}", conversion):
            if item["type"] == "text" or inline:
                parts.append(item)
                continue
            what = "image" if item["type"] == "image_url" else "document"
            count = 1 + sum(other["type"] == item["type"] for other in moved)
            parts.append(part.text(f"[{what} {count}: see the next user message]"))
            moved += [part.text(f"{what.capitalize()} {count} from the result of {call.name} ({call.call_id}):"), item]
    joined = part.joined_texts(parts, "\n")
    if block.get("is_error"):
        joined = _as_error(joined)
    if all(item["type"] == "text" for item in joined):
        return (joined[0]["text"] if joined else NO_OUTPUT), moved
    return joined, moved


def _as_error(parts: list[Part]) -> list[Part]:
    """Chat Completions has no flag for a failed tool: the text says so, unless it does already."""
    if not parts or parts[0]["type"] != "text":
        return [part.text("Error: (no output)"), *parts] if not parts else [part.text("Error:"), *parts]
    first = parts[0]["text"]
    if first.lower().startswith("error") or first.startswith("<tool_use_error>"):
        return parts
    return [part.text(f"Error: {first}"), *parts[1:]]


def _result_parts(block: Block, path: str, conversion: Conversion) -> list[Part]:
    make = RESULT_PARTS.get(block["type"])
    if make is None:
        raise UnsupportedBlock(f"{path}: blocks of type {block['type']!r} are not supported in a tool_result")
    return make(block, path, conversion)


def _result_image(block: Block, path: str, conversion: Conversion) -> list[Part]:
    if not conversion.dialect.vision or conversion.dialect.content == "string":
        conversion.dropped.append(f"{path}.image: the model cannot see images; told it so")
        return [part.text(OMITTED_IMAGE)]
    return part.image_parts(block, path, conversion)


RESULT_PARTS: dict[str, part.PartMaker] = {
    "text": part.text_parts,
    "image": _result_image,
    "document": part.document_parts,
    "search_result": part.search_result_parts,
    "tool_reference": lambda block, path, conversion: [part.text(part.loaded_tool(block))],
    "browser_state": lambda block, path, conversion: [part.text(dumps(block).decode())],
}
"""Blocks inside a `tool_result`. Any other type is refused."""
