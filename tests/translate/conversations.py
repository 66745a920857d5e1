"""Strategies for requests: whole conversations, sane and damaged, and valid ones with something wrong in them."""

import copy
from typing import Any

from hypothesis import strategies as st

from anthropic_proxy.dialects import DIALECTS
from anthropic_proxy.translate.carriers import Carrier, pack

MODEL = "some-model"
CLEAR_THINKING = {"type": "clear_thinking_20251015"}
CLEAR_RESULTS = {"type": "clear_tool_uses_20250919", "trigger": {"type": "tool_uses", "value": 1}}

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

ids = st.sampled_from(["toolu_1", "toolu_2", "functions.Bash:0", "x" * 70, "tpx_abcdef_ZnVuY3Rpb25zLlJlYWQ6MQ"])
words = st.sampled_from(
    ["Hello.", "What is in it?", " ", "", "a\n\nb", "<system-reminder>\nx\n</system-reminder>", "Ünïcödé"]
)


def block(kind: str, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Blocks of one type; a field's value is a strategy, or itself."""
    entries = {
        name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in fields.items()
    }
    return st.fixed_dictionaries({"type": st.just(kind), **entries})


texts = block("text", text=words)
images = block(
    "image",
    source=st.sampled_from(
        [
            {"type": "base64", "media_type": "image/png", "data": PNG},
            {"type": "url", "url": "https://example.test/cat.png"},
        ]
    ),
)
documents = block(
    "document",
    source=st.sampled_from(
        [
            {"type": "text", "media_type": "text/plain", "data": "The text."},
            {"type": "content", "content": [{"type": "text", "text": "A part."}, {"type": "text", "text": " "}]},
            {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        ]
    ),
)
results = block(
    "tool_result",
    tool_use_id=ids,
    is_error=st.booleans(),
    content=words | st.lists(texts | images | block("tool_reference", tool_name="later"), max_size=3) | st.none(),
)
calls = block(
    "tool_use", id=ids, name=st.sampled_from(["Bash", "y" * 80, "a b"]), input=st.sampled_from([{}, {"a": 1}, "x"])
)
signatures = st.sampled_from(
    ["", "px1.", "Eq0foreign", "px1.damaged"]
    + [
        pack(Carrier(field, MODEL, value, call_id, "hidden"))
        for field, value, call_id in [
            ("reasoning_content", None, ""),
            ("reasoning_details", [{"type": "reasoning.text", "text": "x"}], ""),
            ("thought_signature", "sig", "toolu_1"),
            ("reasoning_opaque", "opaque", ""),
            ("thinking_blocks", [{"type": "thinking", "thinking": "x", "signature": "s"}], ""),
            ("mistral_parts", [{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}], ""),
        ]
    ]
)
thoughts = block("thinking", thinking=words, signature=signatures) | block("redacted_thinking", data=signatures)
server_calls = block("server_tool_use", id=ids, name="web_search", input={"query": "x"})
server_results = block(
    "web_search_tool_result",
    tool_use_id=ids,
    content=st.sampled_from(
        [[], [{"type": "web_search_result", "url": "https://e.test", "title": "E"}], {"error_code": "unavailable"}]
    ),
)
summaries = block("compaction", content=st.sampled_from([None, "", "What was said."]))
debris = st.sampled_from([{"type": "fallback", "to": {}}, {"type": "from_the_future"}, {"type": "container_upload"}])

user_messages = st.builds(
    lambda content: {"role": "user", "content": content},
    words | st.lists(texts | images | documents | results | server_results | summaries, max_size=4),
)
assistant_messages = st.builds(
    lambda content: {"role": "assistant", "content": content},
    words
    | st.lists(texts | calls | thoughts | server_calls | server_results | summaries | debris | documents, max_size=5),
)
system_messages = st.fixed_dictionaries(
    {"role": st.just("system"), "content": words | st.lists(texts, max_size=2)},
    optional={"clear_at": st.sampled_from(["next_user_message", "never", None])},
)

histories = st.lists(user_messages | assistant_messages | system_messages, min_size=1, max_size=8).filter(
    lambda messages: any(message["role"] != "system" for message in messages)
)

TOOLS = [
    {"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}},
    {"name": "y" * 80, "description": "Why?", "input_schema": {"type": "object"}},
    {"name": "later", "input_schema": {"type": "object"}, "defer_loading": True},
]

requests = st.fixed_dictionaries(
    {
        "model": st.just(MODEL),
        "max_tokens": st.sampled_from([1, 1000, 128_000]),
        "messages": histories,
    },
    optional={
        "system": words | st.lists(texts, max_size=3),
        "tools": st.just(TOOLS),
        "tool_choice": st.sampled_from(
            [{"type": "auto"}, {"type": "any"}, {"type": "none"}, {"type": "tool", "name": "Bash"}]
        ),
        "thinking": st.sampled_from([True, {"type": "disabled"}, {"type": "enabled", "budget_tokens": 2000}]),
        "stop_sequences": st.lists(st.sampled_from(["END", "STOP"]), max_size=6),
        "stream": st.booleans(),
        "context_management": st.sampled_from(
            [{"edits": [CLEAR_THINKING]}, {"edits": [CLEAR_THINKING, CLEAR_RESULTS]}]
        ),
        "from_the_future": st.just({"a": 1}),
    },
)
"""Requests that pass the door, with histories no backend would take as they are."""

backends = st.sampled_from([entry.dialect.name for entry in DIALECTS])
"""Names of dialects."""

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside `value`."""
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [found for key, inner in items for found in [(*path, key), *places(inner, (*path, key))]]


def with_value(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of `value` with `new` at `path`."""
    changed = copy.deepcopy(value)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = new
    return changed


OWN = ("input", "input_schema", "schema")
"""What is the client's own, and not ours to read."""


def with_unknown_fields(value: Any) -> Any:
    """A copy of `value` in which every object of the API has a field from the future."""
    if isinstance(value, dict):
        known = {key: inner if key in OWN else with_unknown_fields(inner) for key, inner in value.items()}
        return {**known, "x_future": {"a": 1}}
    return [with_unknown_fields(inner) for inner in value] if isinstance(value, list) else value
