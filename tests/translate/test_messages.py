"""Messages: what becomes of a conversation. Whole requests are in `tests/golden`; here are the single turns."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect, dialect_named
from anthropic_proxy.errors import UnsupportedBlock
from anthropic_proxy.translate.chat.assistant import arguments
from anthropic_proxy.translate.chat.conversion import Conversion
from anthropic_proxy.translate.chat.messages import Assembly
from anthropic_proxy.translate.chat.tool_names import ToolNames
from anthropic_proxy.translate.chat.turns import turns
from anthropic_proxy.translate.validate import messages_request
from anthropic_proxy.wire.anthropic import MessagesRequest
from tests.translate.conversations import histories, words

EMPTY = replace(PLAIN, null_content=False)
NEVER_EMPTY = replace(PLAIN, null_content=False, empty_content="(empty)")
MISTRAL = dialect_named("mistral")
IN_PLACE = replace(PLAIN, tool_images=True)
IN_PLACE_WITH_BRIDGE = replace(PLAIN, tool_images=True, after_tool="bridge")
NINE = replace(PLAIN, tool_id="alnum9")

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
CALL = {"type": "tool_use", "id": "t", "name": "look", "input": {"at": "it"}}
OTHER_CALL = {**CALL, "id": "u"}
SENT = {"id": "t", "type": "function", "function": {"name": "look", "arguments": '{"at":"it"}'}}
OTHER_SENT = {**SENT, "id": "u"}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
PDF_PART = {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **more}


def result(content: Any = "ok", call_id: str = "t", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def messages(*turn: tuple[str, list[dict[str, Any]]], dialect: Dialect = PLAIN) -> list[dict[str, Any]]:
    """The chat messages for these messages, given as role and blocks."""
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": role, "content": blocks} for role, blocks in turn]}
    conversion = Conversion(dialect, "m", ToolNames(dialect))
    assembly = Assembly(conversion)
    for position, each in enumerate(turns(messages_request(body), dialect, [])):
        assembly.add(position, each)
    assembly.close()
    return assembly.messages


def answered(*blocks: dict[str, Any], dialect: Dialect = PLAIN) -> list[dict[str, Any]]:
    """What follows the call where the user's turn is made of these blocks."""
    return messages(("assistant", [CALL]), ("user", list(blocks)), dialect=dialect)[1:]


def tool(content: Any, call_id: str = "t") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


ANSWERS: dict[str, tuple[list[dict[str, Any]], Dialect, list[dict[str, Any]]]] = {
    "a result is a tool message": ([result("21 °C")], PLAIN, [tool("21 °C")]),
    "its texts are joined by lines": ([result([text("a"), text(" "), text("b")])], PLAIN, [tool("a\nb")]),
    "an empty one says so": ([result([])], PLAIN, [tool("(no output)")]),
    "white space is empty": ([result(" \n")], PLAIN, [tool("(no output)")]),
    "a failure says so": ([result("broke", is_error=True)], PLAIN, [tool("Error: broke")]),
    "once is enough": ([result("ERROR 5", is_error=True)], PLAIN, [tool("ERROR 5")]),
    "as Claude Code does": (
        [result("<tool_use_error>x", is_error=True)],
        PLAIN,
        [tool("<tool_use_error>x")],
    ),
    "a failure without words": ([result([], is_error=True)], PLAIN, [tool("Error: (no output)")]),
    "results go first, what was said follows in its order": (
        [text("a"), result(), PNG, text("b")],
        PLAIN,
        [tool("ok"), {"role": "user", "content": [text("a"), PICTURE, text("b")]}],
    ),
    "texts alone are one string": (
        [result(), text("a"), text("b")],
        PLAIN,
        [tool("ok"), {"role": "user", "content": "a\n\nb"}],
    ),
    "a picture leaves a pointer and follows": (
        [result([text("See:"), PNG, PNG]), text("b")],
        PLAIN,
        [
            tool("See:\n[image 1: see the next user message]\n[image 2: see the next user message]"),
            {
                "role": "user",
                "content": [
                    text("Image 1 from the result of look (t):"),
                    PICTURE,
                    text("Image 2 from the result of look (t):"),
                    PICTURE,
                    text("b"),
                ],
            },
        ],
    ),
    "a PDF too, counted apart": (
        [result([PNG, PDF])],
        replace(PLAIN, pdf="file"),
        [
            tool("[image 1: see the next user message]\n[document 1: see the next user message]"),
            {
                "role": "user",
                "content": [
                    text("Image 1 from the result of look (t):"),
                    PICTURE,
                    text("Document 1 from the result of look (t):"),
                    PDF_PART,
                ],
            },
        ],
    ),
    "the pointer names the call as the backend knows it": (
        [result([PNG], is_error=True)],
        NINE,
        [
            tool("Error: [image 1: see the next user message]", "g5EM3sKfr"),
            {"role": "user", "content": [text("Image 1 from the result of look (g5EM3sKfr):"), PICTURE]},
        ],
    ),
    "a picture may stay where tool messages take it": (
        [result([text("See:"), PNG])],
        IN_PLACE,
        [tool([text("See:"), PICTURE])],
    ),
    "and failed ones say so before it": (
        [result([PNG], is_error=True)],
        IN_PLACE,
        [tool([text("Error:"), PICTURE])],
    ),
    "two results of one call are one message": (
        [result("a"), result("b")],
        PLAIN,
        [tool("a\nb")],
    ),
    "with pictures too": (
        [result("a"), result([PNG])],
        IN_PLACE,
        [tool([text("a"), PICTURE])],
    ),
    "a result of no call is text": (
        [result(), result("lost", "zz", is_error=True)],
        PLAIN,
        [tool("ok"), {"role": "user", "content": "Result of tool call zz:\nError: lost"}],
    ),
    "with its picture": (
        [result(), result([PNG], "zz")],
        PLAIN,
        [tool("ok"), {"role": "user", "content": [text("Result of tool call zz:"), PICTURE]}],
    ),
    "a call without a result is interrupted": (
        [text("Stop.")],
        PLAIN,
        [tool("(no result: the call was interrupted)"), {"role": "user", "content": "Stop."}],
    ),
    "Mistral takes no user after a tool, so the text joins the result": (
        [result(), text("a"), text("b")],
        MISTRAL,
        [tool("ok\n\na\n\nb", "g5EM3sKfr")],
    ),
    "a picture needs a bridge": (
        [result(), PNG],
        MISTRAL,
        [
            tool("ok", "g5EM3sKfr"),
            {"role": "assistant", "content": "Understood."},
            {"role": "user", "content": [PICTURE]},
        ],
    ),
    "so does text after a picture in a tool message": (
        [result([PNG]), text("a")],
        IN_PLACE_WITH_BRIDGE,
        [
            tool([PICTURE]),
            {"role": "assistant", "content": "Understood."},
            {"role": "user", "content": "a"},
        ],
    ),
}


@pytest.mark.parametrize(("blocks", "dialect", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_users_turn_after_a_call(
    blocks: list[dict[str, Any]], dialect: Dialect, expected: list[dict[str, Any]]
) -> None:
    assert answered(*blocks, dialect=dialect) == expected


def test_results_come_in_the_order_of_the_calls() -> None:
    found = messages(("assistant", [CALL, OTHER_CALL]), ("user", [result("b", "u"), result("a", "t")]))
    assert found[1:] == [tool("a", "t"), tool("b", "u")]


def test_one_id_twice_in_a_turn_gets_each_its_result() -> None:
    found = messages(("assistant", [CALL, CALL]), ("user", [result("a"), result("b"), result("c")]))
    assert [call["id"] for call in found[0]["tool_calls"]] == ["t", "t_2"]
    assert found[1:] == [tool("a", "t"), tool("b\nc", "t_2")]


def test_one_id_in_many_turns_stays_apart() -> None:
    found = messages(*[("assistant", [CALL]), ("user", [result()])] * 4)
    assert [message["tool_call_id"] for message in found if message["role"] == "tool"] == ["t", "t_2", "t_3", "t_4"]


def test_a_block_nobody_knows_in_a_result_is_refused() -> None:
    with pytest.raises(UnsupportedBlock) as caught:
        answered(result([text("a"), {"type": "smell"}]))
    assert caught.value.message == (
        "messages.1.content.0.content.1: blocks of type 'smell' are not supported in a tool_result"
    )


SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "https://e.test", "title": "E"}]}
SEARCHED = {"id": "s", "type": "function", "function": {"name": "web_search", "arguments": '{"query":"x"}'}}
CITED = {"type": "char_location"}


def said(content: str | None, *calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {})}


DEEPSEEK = dialect_named("deepseek")
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "px1."}

SAID: dict[str, tuple[list[dict[str, Any]], Dialect, list[dict[str, Any]]]] = {
    "texts are paragraphs": ([text("a"), text("b")], PLAIN, [said("a\n\nb")]),
    "but for cited ones, which are pieces of one": (
        [text("a "), text("b", citations=[CITED]), text(".")],
        PLAIN,
        [said("a b.")],
    ),
    "no citations are none": ([text("a", citations=[]), text("b", citations=None)], PLAIN, [said("a\n\nb")]),
    "a call without words has no content": ([CALL], PLAIN, [said(None, SENT)]),
    "or an empty one": ([CALL], EMPTY, [said("", SENT)]),
    "or one that says so": ([CALL], NEVER_EMPTY, [said("(empty)", SENT)]),
    "words stay": ([text("a"), CALL, text("b"), OTHER_CALL], NEVER_EMPTY, [said("a\n\nb", SENT, OTHER_SENT)]),
    "a document says its text": (
        [{"type": "document", "title": "T", "source": {"type": "content", "content": [text("a"), PNG]}}],
        PLAIN,
        [said('<document index="1" title="T">\na\n</document>')],
    ),
    "a server's tool is a call and its result": (
        [text("a"), SEARCH, FOUND, text("b")],
        PLAIN,
        [said("a", SEARCHED), tool("E — https://e.test", "s"), said("b")],
    ),
    "and may be the end": ([SEARCH, FOUND], PLAIN, [said(None, SEARCHED), tool("E — https://e.test", "s")]),
    "where reasoning is demanded, each call has some": (
        [THOUGHT, SEARCH, FOUND, CALL],
        DEEPSEEK,
        [
            {**said(None, SEARCHED), "reasoning_content": ""},
            tool("E — https://e.test", "s"),
            {**said(None, SENT), "reasoning_content": "Hm."},
        ],
    ),
    "or stand beside a call": (
        [SEARCH, FOUND, CALL],
        PLAIN,
        [said(None, SEARCHED), tool("E — https://e.test", "s"), said(None, SENT)],
    ),
}


@pytest.mark.parametrize(("blocks", "dialect", "expected"), SAID.values(), ids=SAID.keys())
def test_an_assistants_turn(blocks: list[dict[str, Any]], dialect: Dialect, expected: list[dict[str, Any]]) -> None:
    found = messages(("assistant", blocks), dialect=dialect)
    while found[-1]["content"] == "(no result: the call was interrupted)":
        found.pop()
    assert found == expected


@pytest.mark.parametrize(
    "block", [PNG, result(), {"type": "search_result", "source": "s", "title": "t", "content": []}]
)
def test_what_is_the_users_is_refused_from_the_assistant(block: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedBlock, match=r"^messages\.0\.content\.1: .* into user messages$"):
        messages(("assistant", [text("a"), block]))


ARGUMENTS: dict[str, tuple[object, str]] = {
    "an object, its keys in their order": ({"b": 1, "a": [None]}, '{"b":1,"a":[null]}'),
    "nothing": (None, "{}"),
    "an object encoded twice": ('{"a": 1}', '{"a":1}'),
    "text": ("ls", '{"input":"ls"}'),
    "JSON that is no object": ("[1]", '{"input":"[1]"}'),
    "a list, which no door lets through": ([1], "{}"),
}


@pytest.mark.parametrize(("value", "expected"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments_are_always_an_object(value: object, expected: str) -> None:
    assert arguments(value) == expected


def test_a_kept_system_message_comes_after_the_calls_it_cuts_off() -> None:
    found = messages(
        ("assistant", [CALL]), ("system", [text("a"), text("b")]), dialect=replace(PLAIN, mid_system="keep")
    )
    assert found[1:] == [tool("(no result: the call was interrupted)"), {"role": "system", "content": "a\n\nb"}]


# Short ways

MARKING = replace(PLAIN, cache="copilot")
"""Carries marks on messages alone. Where there are none, it sends what PLAIN sends, and takes no short way there."""


@given(histories)
def test_texts_that_are_joined_at_once_come_to_what_parts_do(history: list[Any]) -> None:
    request = messages_request({"model": "m", "max_tokens": 1, "messages": history})
    assert assembled(request, PLAIN) == assembled(request, MARKING)


def assembled(request: MessagesRequest, dialect: Dialect) -> list[dict[str, Any]] | str:
    """The messages, or why there are none."""
    assembly = Assembly(Conversion(dialect, "m", ToolNames(dialect)))
    try:
        for position, turn in enumerate(turns(request, dialect, [])):
            assembly.add(position, turn)
    except UnsupportedBlock as error:
        return error.message
    assembly.close()
    return assembly.messages


BLANK = text(" ")
"""Is left out of a result, which thereby is not one text alone."""


@given(words, st.sampled_from([{}, {"is_error": True}, {"is_error": False}]))
def test_a_result_of_one_text_comes_to_what_parts_do(said: str, more: dict[str, Any]) -> None:
    plain = answered(result([BLANK, text(said)], **more))
    assert answered(result([text(said)], **more)) == plain
    assert answered(result(said, **more)) == plain
