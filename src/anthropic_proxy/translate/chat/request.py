"""The whole request: an Anthropic Messages request as one Chat Completions request."""

from functools import partial
from typing import Any

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.api import Client, Translation
from anthropic_proxy.translate.chat.cache import Mark, set_marks
from anthropic_proxy.translate.chat.messages import CONTINUES, Assembly
from anthropic_proxy.translate.chat.output import structured_output
from anthropic_proxy.translate.chat.parameters import PARAMETERS
from anthropic_proxy.translate.chat.parts import Conversion
from anthropic_proxy.translate.chat.reply import ChatReader, Expected
from anthropic_proxy.translate.chat.system import system_message
from anthropic_proxy.translate.chat.thinking import thinking_fields, thinking_on
from anthropic_proxy.translate.chat.tools import Tools, chat_tools
from anthropic_proxy.translate.chat.turns import Turn, turns
from anthropic_proxy.translate.fields import dropped_fields
from anthropic_proxy.wire.anthropic import MessagesRequest
from anthropic_proxy.wire.chat import ChatMessage, ChatRequest

NO_PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."
CONTINUE = "Continue your last message exactly where it ends. Write only what comes next."

PREFILL_FIELDS: dict[str, tuple[ChatRequest, ChatRequest]] = {
    "native": ({}, {}),
    "prefix": ({"prefix": True}, {}),
    "partial": ({"partial": True}, {}),
    "template": ({}, {"continue_final_message": True, "add_generation_prompt": False}),
}
"""By `Dialect.prefill`: what is added to the last message, and to the body."""


def translate(request: MessagesRequest, model: str, dialect: Dialect, client: Client) -> Translation:
    """`request` for `model` in the dialect's words, and a reader for what comes back.

    Raises InvalidRequest or UnsupportedBlock, naming the place, for what cannot be carried.
    """
    thinking = thinking_on(request)
    tools = chat_tools(request, dialect, thinking)
    output = structured_output(request, dialect)
    conversation = turns(request, dialect)
    conversion = Conversion(dialect, dropped=[*dropped_fields(request), *_dropped_inside(request), *tools.dropped])
    prefill, after, body_flags = _prefill(conversation, dialect, client)

    additions = [*tools.instructions, *([output.instruction] if output.instruction else [])]
    system = system_message(request, additions, dialect)
    assembly = _assembled(request, conversation, model, dialect, tools, conversion)
    messages = [*([system] if system else []), *assembly.messages]
    if not assembly.messages:
        raise InvalidRequest("messages: at least one message with content is required")
    _mark_caches(request, system, assembly, tools, dialect)
    if dialect.first_user and assembly.messages[0]["role"] != "user":
        messages.insert(1 if system else 0, {"role": "user", "content": CONTINUES})
    if prefill:
        messages[-1] = {**messages[-1], **PREFILL_FIELDS.get(dialect.prefill, ({}, {}))[0]}
    messages += after

    scanned, stop = _stop_sequences(request, dialect, client)
    stream = bool(request.get("stream")) or bool(scanned) or dialect.stream_only
    body: ChatRequest = {"model": model, "messages": messages}
    if tools.definitions:
        body["tools"] = tools.definitions
    body |= _optional(
        tool_choice=tools.choice,
        parallel_tool_calls=tools.parallel,
        tool_stream=True if tools.definitions and stream and dialect.tool_stream else None,
        response_format=output.response_format,
        stop=stop or None,
    )
    for parameter in PARAMETERS:
        body |= parameter(request, dialect, client, conversion.dropped)
    body |= thinking_fields(request, dialect, tools.thinking_off)
    body |= _web_search(tools.web_search, dialect)
    body |= body_flags
    if stream:
        body["stream"] = True
        if dialect.usage_in_stream == "ask":
            body["stream_options"] = {"include_usage": True}
    headers = _initiator(conversation, conversion, client) if dialect.initiator or dialect.initiator_in_body else {}
    if dialect.initiator_in_body:
        body["extra_headers"] = headers
    for name in dialect.dropped & body.keys():
        del body[name]

    expected = Expected(
        dialect=dialect,
        model=model,
        names=tools.names,
        used_ids=frozenset(assembly.call_ids),
        show=_shown(request, thinking, client),
        stop_sequences=tuple(scanned),
        only_one_call=tools.only_one,
        whole_arguments=tools.buffered,
        prefill=prefill if after else "",
        schema=output.schema,
        discard=request["max_tokens"] == 0,
        search_query=_last_user_text(conversation) if tools.web_search else None,
    )
    return Translation(
        body=body,
        stream=stream,
        headers=headers if dialect.initiator else {},
        media=conversion.media,
        media_tokens=conversion.media_tokens,
        dropped=tuple(conversion.dropped),
        reader=partial(ChatReader, expected),
    )


def _optional(**fields: object) -> ChatRequest:
    return {name: value for name, value in fields.items() if value is not None}


def _assembled(
    request: MessagesRequest,
    conversation: list[Turn],
    model: str,
    dialect: Dialect,
    tools: Tools,
    conversion: Conversion,
) -> Assembly:
    assembly = Assembly(dialect, model, tools.names, conversion, _cleared_turns(request, conversation))
    for position, turn in enumerate(conversation):
        assembly.add(position, turn)
    assembly.close()
    return assembly


def _dropped_inside(request: MessagesRequest) -> list[str]:
    """`path: reason` for what is left out inside fields that are otherwise read."""
    dropped = []
    if request.get("output_config", {}).get("task_budget") is not None:
        dropped.append("output_config.task_budget: no budget can be set for this upstream")
    for number, edit in enumerate(request.get("context_management", {}).get("edits") or []):
        kind = edit.get("type") if isinstance(edit, dict) else None
        if kind != CLEAR_THINKING:
            dropped.append(f"context_management.edits.{number}: {kind} is not carried out here")
    return dropped


CLEAR_THINKING = "clear_thinking_20251015"


def _cleared_turns(request: MessagesRequest, conversation: list[Turn]) -> frozenset[int]:
    """Assistant turns, by position, whose thinking does not go upstream again, as the client asks."""
    edits = request.get("context_management", {}).get("edits") or []
    edit = next((e for e in edits if isinstance(e, dict) and e.get("type") == CLEAR_THINKING), None)
    if edit is None:
        return frozenset()
    keep = edit.get("keep", {"type": "thinking_turns", "value": 1})
    if not isinstance(keep, dict) or keep.get("type") != "thinking_turns":
        return frozenset()
    value = keep.get("value")
    kept = value if isinstance(value, int) and value > 0 else 1
    thinking = [
        position
        for position, turn in enumerate(conversation)
        if turn.role == "assistant" and any("thinking" in placed.block["type"] for placed in turn.blocks)
    ]
    return frozenset(thinking[:-kept])


def _prefill(conversation: list[Turn], dialect: Dialect, client: Client) -> tuple[str, list[ChatMessage], ChatRequest]:
    """What to do about a last turn that is the assistant's: its text, messages to append, body fields.

    A turn that ends in a tool call is no prefill but an interrupted call. Raises InvalidRequest where
    the dialect cannot continue a message: a wrong continuation would be silent damage.
    """
    last = conversation[-1] if conversation else None
    if last is None or last.role != "assistant" or any(p.block["type"] == "tool_use" for p in last.blocks):
        return "", [], {}
    text = "\n\n".join(placed.block["text"] for placed in last.blocks if placed.block["type"] == "text")
    if dialect.prefill == "none":
        if not client.emulate_prefill:
            raise InvalidRequest(NO_PREFILL)
        return text, [{"role": "user", "content": CONTINUE}], {}
    return text, [], PREFILL_FIELDS[dialect.prefill][1]


def _mark_caches(
    request: MessagesRequest, system: ChatMessage | None, assembly: Assembly, tools: Tools, dialect: Dialect
) -> None:
    """Carries the client's cache marks over, in the order of the prompt: tools, system, messages."""
    if dialect.cache == "implicit":
        return
    marks: list[Mark] = [(tool, tool["cache_control"]) for tool in tools.definitions if tool.get("cache_control")]
    control = next((b["cache_control"] for b in reversed(request.get("system", [])) if b.get("cache_control")), None)
    if system is not None and control is not None:
        marks.append((system, control))
    marks += assembly.marks
    last_user = next((m for m in reversed(assembly.messages) if m["role"] == "user"), None)
    if request.get("cache_control") and last_user is not None and all(last_user is not m for m, _ in marks):
        marks.append((last_user, request["cache_control"]))
    set_marks(marks, tools.definitions, dialect)


def _stop_sequences(request: MessagesRequest, dialect: Dialect, client: Client) -> tuple[list[str], list[str]]:
    """Stop sequences to scan for here, and those to send.

    Chat Completions does not say whether or which one matched. So they are sent only where the
    backend reports the match, or the settings prefer the backend's own stop.
    """
    sequences = request.get("stop_sequences") or []
    if client.stop_upstream and dialect.stop_max:
        return [], sequences[: dialect.stop_max]
    if dialect.stop_report != "none" and len(sequences) <= dialect.stop_max:
        return [], sequences
    return sequences, []


def _web_search(tool: dict[str, Any] | None, dialect: Dialect) -> ChatRequest:
    """The backend's own search, asked for in its words."""
    if tool is None:
        return {}
    if dialect.web_search == "openrouter":
        return {"plugins": [{"id": "web"}]}
    location = {name: value for name, value in (tool.get("user_location") or {}).items() if name != "type" and value}
    where = {"user_location": {"type": "approximate", "approximate": location}} if location else {}
    return {"web_search_options": where}


def _shown(request: MessagesRequest, thinking: bool, client: Client) -> str:
    """How reasoning is shown: `text`, `omitted` (signature alone) or `none`."""
    if not thinking:
        return "text" if client.show_thinking else "none"
    return "omitted" if request["thinking"].get("display") == "omitted" else "text"


def _initiator(conversation: list[Turn], conversion: Conversion, client: Client) -> dict[str, str]:
    """Copilot bills what a user asked for, not the tool calls that follow from it."""
    last = conversation[-1]
    asked = (
        last.role == "user"
        and not client.agent
        and any(
            placed.block["type"] == "text" and not placed.block["text"].lstrip().startswith("<system-reminder>")
            for placed in last.blocks
        )
        and all(placed.block["type"] != "tool_result" for placed in last.blocks)
    )
    headers = {"X-Initiator": "user" if asked else "agent"}
    if conversion.images:
        headers["Copilot-Vision-Request"] = "true"
    return headers


def _last_user_text(conversation: list[Turn]) -> str:
    """What a web search is taken to have looked for."""
    for turn in reversed(conversation):
        if turn.role == "user":
            return "\n".join(p.block["text"] for p in turn.blocks if p.block["type"] == "text")
    return ""
