"""Whole requests: nothing unknown is sent, the order holds, the prefix stays, and every block has its place."""

import re
import typing
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from anthropic.types import content_block_param, tool_result_block_param
from anthropic.types.beta import beta_content_block_param, beta_system_message_param, beta_tool_result_block_param
from hypothesis import assume, given
from hypothesis import strategies as st

from anthropic_proxy.dialects import PLAIN, Dialect, dialect_named
from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.api import Client, Translation
from anthropic_proxy.translate.chat import blocks
from anthropic_proxy.translate.chat.assistant import ASSISTANT_BLOCKS
from anthropic_proxy.translate.chat.expected import Expected
from anthropic_proxy.translate.chat.parts import USER_PARTS
from anthropic_proxy.translate.chat.request import translate
from anthropic_proxy.translate.chat.tool_results import RESULT_PARTS
from anthropic_proxy.translate.validate import SYSTEM_BLOCKS, messages_request
from anthropic_proxy.wire.json import dumps
from tests.chat_rules import faults
from tests.translate.conversations import MODEL, backends, histories, requests, with_unknown_fields

NOBODY = Client()
EMULATING = Client(emulate_prefill=True)


def translated(body: dict[str, Any], dialect: Dialect = PLAIN, client: Client = NOBODY) -> Translation:
    whole = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello?"}], **body}
    return translate(messages_request(whole), MODEL, dialect, client)


# Properties


@given(requests, backends)
def test_a_strict_backend_finds_no_fault(body: dict[str, Any], backend: str) -> None:
    dialect = dialect_named(backend)
    try:
        sent = translated(body, dialect, EMULATING)
    except InvalidRequest:
        assume(False)
    assert faults(sent.body, mid_system=dialect.mid_system == "keep") == []


@given(requests, backends)
def test_a_field_from_the_future_changes_nothing(body: dict[str, Any], backend: str) -> None:
    dialect = dialect_named(backend)
    try:
        sent = translated(body, dialect, EMULATING)
    except InvalidRequest:
        assume(False)
    assert dumps(translated(with_unknown_fields(body), dialect, EMULATING).body) == dumps(sent.body)


lasting = histories.map(
    lambda messages: [{name: value for name, value in message.items() if name != "clear_at"} for message in messages]
)
"""Histories without messages that are to vanish."""


@given(lasting, lasting, backends, st.sampled_from([{}, {"system": "Be kind."}, {"thinking": True}]))
def test_what_was_sent_stays_as_it_was_when_the_conversation_goes_on(
    before: list[Any], after: list[Any], backend: str, fields: dict[str, Any]
) -> None:
    begun = [*before, {"role": "user", "content": "Hello?"}]
    gone_on = [*begun, {"role": "assistant", "content": "Hello."}, *after, {"role": "user", "content": "Well?"}]
    dialect = dialect_named(backend)
    try:
        first = translated({"messages": begun, **fields}, dialect)
        later = translated({"messages": gone_on, **fields}, dialect)
    except InvalidRequest:
        assume(False)
    sent = dumps(first.body["messages"])[:-1]
    assert dumps(later.body["messages"])[: len(sent)] == sent
    assert dumps(first.body.get("prompt_cache_key")) == dumps(later.body.get("prompt_cache_key"))


@given(lasting)
def test_tools_that_are_loaded_go_behind_those_that_were_sent(messages: list[Any]) -> None:
    tools = [
        {"name": "later", "input_schema": {"type": "object"}, "defer_loading": True},
        {"name": "now", "input_schema": {"type": "object"}},
    ]
    begun = [{"role": "user", "content": "Hello?"}]
    try:
        first = translated({"messages": begun, "tools": tools}).body["tools"]
        later = translated({"messages": [*begun, *messages, {"role": "user", "content": "?"}], "tools": tools}).body[
            "tools"
        ]
    except InvalidRequest:
        assume(False)
    assert isinstance(first, list)
    assert isinstance(later, list)
    assert later[: len(first)] == first


CLAUDE = replace(dialect_named("openrouter"), cache="anthropic")
MARKED = {"cache_control": {"type": "ephemeral"}}


def attributed(fingerprint: str, *rest: dict[str, Any]) -> list[dict[str, Any]]:
    line = f"x-anthropic-billing-header: cc_version=2.1.330.{fingerprint}; cc_entrypoint=cli;"
    return [{"type": "text", "text": line}, *rest]


SYSTEMS = {
    "a string": lambda fingerprint: f"{attributed(fingerprint)[0]['text']}\nBe kind.",
    "blocks": lambda fingerprint: attributed(fingerprint, {"type": "text", "text": "Be kind."}),
    "blocks with a mark": lambda fingerprint: attributed(
        fingerprint, {"type": "text", "text": "Be kind.", **MARKED}, {"type": "text", "text": "Be brief."}
    ),
}


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())
@pytest.mark.parametrize("dialect", [PLAIN, CLAUDE], ids=["plain", "marks on parts"])
def test_an_attribution_that_differs_does_not_spoil_the_cache(system: Callable[[str], Any], dialect: Dialect) -> None:
    tools = [{"name": "x", "input_schema": {"type": "object"}, **MARKED}]
    begun = [{"role": "user", "content": [{"type": "text", "text": "Hello?"}, {"type": "text", "text": "Now."}]}]
    gone_on = [*begun, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Well?"}]
    first = translated({"messages": begun, "system": system("a1b"), "tools": tools}, dialect).body
    later = translated({"messages": gone_on, "system": system("c2d"), "tools": tools}, dialect).body
    sent = dumps(first["messages"])[:-1]
    assert dumps(later["messages"])[: len(sent)] == sent
    assert dumps(later["tools"]) == dumps(first["tools"])
    assert later.get("session_id") == first.get("session_id")


# Block types of the SDK


def types_in(union: Any) -> set[str]:
    """The `type` of each member of a union of the SDK's, unions within it included."""
    members = typing.get_args(union)
    if members and typing.get_origin(union) is not typing.Annotated:
        return set().union(*map(types_in, members))
    if members:
        return types_in(members[0])
    return set(re.findall(r"Literal\[['\"](\w+)", str(union.__annotations__["type"])))


CONTENT = types_in(content_block_param.ContentBlockParam) | types_in(beta_content_block_param.BetaContentBlockParam)
IN_RESULTS = types_in(tool_result_block_param.Content) | types_in(beta_tool_result_block_param.Content)
IN_SYSTEM = types_in(beta_system_message_param.ContentBlock)


def test_the_types_were_found() -> None:
    assert {"text", "tool_use", "mcp_tool_use", "compaction", "tool_addition", "advisor_tool_result"} <= CONTENT
    assert {"text", "image", "tool_reference", "browser_state"} <= IN_RESULTS
    assert {"text", "tool_addition"} <= IN_SYSTEM


def is_once(*homes: bool) -> bool:
    return sum(homes) == 1


@pytest.mark.parametrize("kind", sorted(CONTENT))
def test_a_block_of_the_users_has_one_home(kind: str) -> None:
    assert is_once(
        kind in USER_PARTS,
        kind == "tool_result",
        kind in blocks.USER_REFUSED,
        kind in blocks.DROPPED,
        kind in blocks.USER_SILENT,
    )


@pytest.mark.parametrize("kind", sorted(CONTENT))
def test_a_block_of_the_assistants_has_one_home(kind: str) -> None:
    assert is_once(
        kind in ASSISTANT_BLOCKS,
        kind == "compaction",
        blocks.is_server_result({"type": kind}),
        kind in blocks.ASSISTANT_REFUSED,
        kind in blocks.DROPPED,
        kind in blocks.ASSISTANT_SILENT,
    )


@pytest.mark.parametrize("kind", sorted(IN_RESULTS))
def test_a_block_in_a_result_has_a_home(kind: str) -> None:
    assert kind in RESULT_PARTS


@pytest.mark.parametrize("kind", sorted(IN_SYSTEM))
def test_a_block_in_a_system_message_has_a_home(kind: str) -> None:
    assert kind in SYSTEM_BLOCKS


# What a request says of its reply


def expected(translation: Translation) -> Expected:
    reader = translation.reader
    assert isinstance(reader, partial)
    found = reader.args[0]
    assert isinstance(found, Expected)
    return found


CALL = {"type": "tool_use", "id": "t", "name": "x", "input": {}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
REPORTS = replace(PLAIN, stop_report="stop_reason")
SEARCHES = replace(PLAIN, web_search="openrouter")

SHOWN: dict[str, tuple[dict[str, Any], Client, str]] = {
    "nothing was said of thinking": ({}, NOBODY, "none"),
    "thinking is off": ({"thinking": False}, NOBODY, "none"),
    "thinking is on": ({"thinking": True}, NOBODY, "text"),
    "a summary is wanted": ({"thinking": {"type": "adaptive", "display": "summarized"}}, NOBODY, "text"),
    "updates are wanted": ({"thinking": {"type": "adaptive", "display": "updates"}}, NOBODY, "text"),
    "the text is not wanted": ({"thinking": {"type": "adaptive", "display": "omitted"}}, NOBODY, "omitted"),
    "the settings show it always": ({}, Client(show_thinking=True), "text"),
    "even then it may be omitted": (
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        Client(show_thinking=True),
        "omitted",
    ),
}


@pytest.mark.parametrize(("body", "client", "show"), SHOWN.values(), ids=SHOWN.keys())
def test_how_reasoning_is_shown(body: dict[str, Any], client: Client, show: str) -> None:
    assert expected(translated(body, client=client)).show == show


STOPS: dict[str, tuple[list[str], Dialect, Client, list[str] | None, bool]] = {
    "none": ([], PLAIN, NOBODY, None, False),
    "they are looked for here": (["a", "b"], PLAIN, NOBODY, None, True),
    "or sent where the match is reported": (["a", "b"], REPORTS, NOBODY, ["a", "b"], False),
    "too many to send are looked for": (["a", "b", "c", "d", "e"], REPORTS, NOBODY, None, True),
    "the settings may send the first of them": (
        ["a", "b", "c", "d", "e"],
        PLAIN,
        Client(stop_upstream=True),
        ["a", "b", "c", "d"],
        False,
    ),
    "but not to a model that takes none": (["a"], replace(PLAIN, stop_max=0), Client(stop_upstream=True), None, True),
}


@pytest.mark.parametrize(("wanted", "dialect", "client", "sent", "scanned"), STOPS.values(), ids=STOPS.keys())
def test_stop_sequences(
    wanted: list[str], dialect: Dialect, client: Client, sent: list[str] | None, scanned: bool
) -> None:
    translation = translated({"stop_sequences": wanted}, dialect, client)
    assert translation.body.get("stop") == sent
    assert translation.stream == scanned
    assert ("stream" in translation.body) == scanned
    assert expected(translation).stop_sequences == (tuple(wanted) if scanned else ())
    assert expected(translation).sent_stops == tuple(sent or ())


def test_what_the_reader_is_told() -> None:
    history = [
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
        {"role": "assistant", "content": "It is"},
    ]
    found = expected(
        translated(
            {
                "messages": history,
                "tools": [{"name": "x", "input_schema": {"type": "object"}, "eager_input_streaming": False}],
                "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
                "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            },
            replace(PLAIN, json="object"),
            EMULATING,
        )
    )
    assert found.used_ids == {"t"}
    assert found.only_one_call
    assert found.whole_arguments == {"x"}
    assert found.prefill == "It is"
    assert found.schema == {"type": "object"}
    assert not found.discard
    assert found.search_query is None


def test_no_tokens_wanted_none_given() -> None:
    assert expected(translated({"max_tokens": 0})).discard


def test_what_was_searched_is_the_users_question() -> None:
    question = {"role": "user", "content": "<system-reminder>\nx\n</system-reminder>\nNews?"}
    found = translated({"messages": [question], "tools": [SEARCH]}, SEARCHES)
    assert expected(found).search_query == "News?"
    began = {"role": "assistant", "content": "It is"}
    found = translated({"messages": [began], "tools": [SEARCH]}, replace(SEARCHES, prefill="native"))
    assert expected(found).search_query == ""


def test_a_model_that_only_streams_is_asked_for_a_stream() -> None:
    translation = translated({}, replace(PLAIN, stream_only=True))
    assert translation.stream
    assert translation.body["stream"] is True


def test_media_are_measured() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    translation = translated({"messages": [{"role": "user", "content": [image]}]})
    assert (translation.media, translation.media_tokens) == (12, 1600)


def test_the_request_may_be_translated_again() -> None:
    body = {"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "Hello?"}], "system": "s"}
    request = messages_request(body)
    assert translate(request, "a", PLAIN, NOBODY).body["model"] == "a"
    assert translate(request, "b", PLAIN, NOBODY).body["model"] == "b"
