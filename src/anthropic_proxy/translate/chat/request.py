"""The whole request: an Anthropic Messages request as one Chat Completions request."""

from functools import partial

from msgspec.structs import replace

from anthropic_proxy.dialects import Dialect
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.api import Client, Translation
from anthropic_proxy.translate.asked import thinking_on
from anthropic_proxy.translate.chat.cache import Mark, message_marks, write_marks
from anthropic_proxy.translate.chat.clearing import clearing_in, without_old_results
from anthropic_proxy.translate.chat.context import CLEAR_TOOL_USES, cleared_turns, dropped_edits
from anthropic_proxy.translate.chat.conversion import Conversion
from anthropic_proxy.translate.chat.expected import Expected
from anthropic_proxy.translate.chat.frames import frame_tokens
from anthropic_proxy.translate.chat.initiator import initiator_headers, written_text
from anthropic_proxy.translate.chat.messages import Assembly
from anthropic_proxy.translate.chat.output import structured_output
from anthropic_proxy.translate.chat.parameters import PARAMETERS, sent_cap
from anthropic_proxy.translate.chat.prefill import prefill
from anthropic_proxy.translate.chat.reply import ChatReader
from anthropic_proxy.translate.chat.system import system_message
from anthropic_proxy.translate.chat.thinking import LEVELS, thinking_fields
from anthropic_proxy.translate.chat.tools import Tools, chat_tools
from anthropic_proxy.translate.chat.turns import Turn, turns
from anthropic_proxy.translate.chat.web_search import search_fields
from anthropic_proxy.translate.count import count_tokens
from anthropic_proxy.translate.fields import dropped_fields
from anthropic_proxy.wire.anthropic import MessagesRequest
from anthropic_proxy.wire.chat import ChatMessage, ChatRequest
from anthropic_proxy.wire.json import dumps

CONTINUES = "(conversation continues)"
"""Begins a conversation whose beginning is the assistant's, for templates that want a user first."""


def translate(request: MessagesRequest, model: str, dialect: Dialect, client: Client) -> Translation:
    """`request` for `model` in the dialect's words, and a reader for what comes back.

    Raises InvalidRequest or UnsupportedBlock, naming the place, for what cannot be carried.
    """
    whole = _translated(request, model, dialect, client)
    edit = clearing_in(request)
    if edit is None:
        return whole
    tokens = _tokens(whole)
    shorter, uses = without_old_results(request, edit, tokens)
    if not uses:
        return whole
    cleared = _translated(shorter, model, dialect, client)
    saved = tokens - _tokens(cleared)
    if saved < max(edit.at_least, 1):
        return whole
    applied = {"type": CLEAR_TOOL_USES, "cleared_tool_uses": uses, "cleared_input_tokens": saved}
    return replace(cleared, applied_edits=(applied,))


def _tokens(translation: Translation) -> int:
    """Tokens of a prompt as estimated without what backends have counted: else one turn might undo another's."""
    data = dumps(translation.body)
    counted = count_tokens(data, translation.media, translation.media_tokens, translation.frame_tokens)
    return round(counted.text) + counted.media


def _translated(request: MessagesRequest, model: str, dialect: Dialect, client: Client) -> Translation:
    thinking = thinking_on(request)
    tools = chat_tools(request, dialect, thinking)
    output = structured_output(request, dialect)
    dropped = [*dropped_fields(request), *_dropped_inside(request), *tools.dropped]
    conversion = Conversion(dialect, model, tools.names, dropped)
    conversation = turns(request, dialect, dropped)

    instructions = [*tools.instructions, *([output.instruction] if output.instruction else [])]
    system, system_marks = system_message(request, instructions, dialect)
    messages = _messages(request, conversation, conversion)
    _mark_caches(request, tools, system_marks, conversion, messages)
    continued = prefill(messages, dialect, client.emulate_prefill)
    if system is not None:
        messages.insert(0, system)

    scanned, stop = _stop_sequences(request, dialect, client)
    stream = bool(request.get("stream")) or bool(scanned) or dialect.stream_only
    headers: dict[str, str] = {}
    if dialect.initiator or dialect.initiator_in_body:
        headers = initiator_headers(conversation[-1], bool(client.agent), conversion.images > 0)
    body: ChatRequest = {"model": model, "messages": messages}
    body |= _tool_fields(tools, stream, dialect)
    body |= _given(response_format=output.response_format, stop=stop or None)
    for parameter in PARAMETERS:
        body |= parameter(request, dialect, client, dropped)
    body |= thinking_fields(request, dialect, tools.thinking_off)
    body |= continued.body
    body |= dialect.extra_body
    body |= _stream_fields(stream, dialect)
    if dialect.initiator_in_body:
        body["extra_headers"] = {**dict(dialect.body_headers), **headers}

    expected = Expected(
        dialect=dialect,
        model=model,
        names=tools.names,
        used_ids=frozenset(conversion.call_ids),
        show=_shown(request, thinking, client),
        stop_sequences=tuple(scanned),
        sent_stops=tuple(stop),
        only_one_call=tools.only_one,
        whole_arguments=tools.buffered,
        prefill=continued.repeated,
        schema=output.schema,
        longest_arguments=client.longest_arguments,
        discard=request["max_tokens"] == 0,
        search_query=_last_question(conversation) if tools.web_search else None,
    )
    for name in dialect.dropped:
        body.pop(name, None)
    return Translation(
        body=body,
        stream=stream,
        headers=headers if dialect.initiator else {},
        cap=sent_cap(request, dialect),
        media=conversion.media,
        media_tokens=conversion.media_tokens,
        frame_tokens=frame_tokens(body),
        dropped=tuple(dropped),
        notes=tuple(tools.notes),
        reader=partial(ChatReader, expected),
    )


def _dropped_inside(request: MessagesRequest) -> list[str]:
    """`path: reason` for what is left out inside fields that are otherwise read."""
    config = request.get("output_config", {})
    dropped = dropped_edits(request)
    if config.get("task_budget") is not None:
        dropped.append("output_config.task_budget: no budget can be set for this upstream")
    if config.get("effort") not in (None, *LEVELS):
        dropped.append(f"output_config.effort: not one of {', '.join(LEVELS)}")
    return dropped


def _messages(request: MessagesRequest, conversation: list[Turn], conversion: Conversion) -> list[ChatMessage]:
    """The conversation, without the leading system message."""
    assembly = Assembly(conversion, cleared_turns(request, conversation))
    for position, turn in enumerate(conversation):
        assembly.add(position, turn)
    assembly.close()
    messages = assembly.messages
    if not messages:
        raise InvalidRequest("messages: at least one message must have content")
    if conversion.dialect.first_user and messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": CONTINUES})
    return messages


def _mark_caches(
    request: MessagesRequest,
    tools: Tools,
    system_marks: list[Mark],
    conversion: Conversion,
    messages: list[ChatMessage],
) -> None:
    """Carries the client's cache marks over, in the order of the prompt: tools, system, messages.

    A mark at the top of the request is one on the last thing the user said.
    """
    if conversion.dialect.cache == "implicit":
        return
    marks = [Mark(tool, tool.pop("cache_control")) for tool in tools.definitions if "cache_control" in tool]
    marks += [*system_marks, *conversion.marks]
    said = next((message for message in reversed(messages) if message["role"] in ("user", "tool")), None)
    if said is not None:
        marks += message_marks(said, request.get("cache_control"), conversion.dialect)
    write_marks(marks, conversion.dialect)


def _stop_sequences(request: MessagesRequest, dialect: Dialect, client: Client) -> tuple[list[str], list[str]]:
    """Stop sequences to scan for here, and those to send.

    Chat Completions does not say whether or which one matched. So they are sent only where the
    backend reports the match, or the settings prefer the backend's own stop.
    """
    sequences = request.get("stop_sequences", [])
    if client.stop_upstream and dialect.stop_max:
        return [], sequences[: dialect.stop_max]
    if dialect.stop_report != "none" and len(sequences) <= dialect.stop_max:
        return [], sequences
    return sequences, []


def _given(**fields: object) -> ChatRequest:
    return {name: value for name, value in fields.items() if value is not None}


def _tool_fields(tools: Tools, stream: bool, dialect: Dialect) -> ChatRequest:
    return _given(
        tools=tools.definitions or None,
        tool_choice=tools.choice,
        parallel_tool_calls=tools.parallel,
        tool_stream=True if tools.definitions and stream and dialect.tool_stream else None,
        **(search_fields(tools.web_search, dialect) if tools.web_search is not None else {}),
    )


def _stream_fields(stream: bool, dialect: Dialect) -> ChatRequest:
    if not stream:
        return {}
    return {"stream": True, **({"stream_options": {"include_usage": True}} if dialect.usage_in_stream == "ask" else {})}


def _shown(request: MessagesRequest, thinking: bool, client: Client) -> str:
    """How reasoning is shown: `text`, `omitted` (signature alone) or `none`."""
    if not thinking:
        return "text" if client.show_thinking else "none"
    return "omitted" if request["thinking"].get("display") == "omitted" else "text"


def _last_question(conversation: list[Turn]) -> str:
    """What a web search is taken to have looked for."""
    return next((written_text(turn) for turn in reversed(conversation) if turn.role == "user"), "")
