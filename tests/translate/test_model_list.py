"""A backend's model list as Anthropic would give it, and its pages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.errors import InvalidRequest
from anthropic_proxy.translate.model_list import model_infos, page

INFO = {
    "type": "model",
    "id": "m",
    "display_name": "m",
    "created_at": "1970-01-01T00:00:00Z",
    "lifecycle": "active",
    "line": None,
    "max_input_tokens": None,
    "max_tokens": None,
    "capabilities": None,
    "deprecated_at": None,
    "retires_at": None,
}

ENTRIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an id is enough": ({"id": "m"}, {}),
    "a time": ({"id": "m", "created": 1_700_000_000}, {"created_at": "2023-11-14T22:13:20Z"}),
    "a time with a fraction": ({"id": "m", "created": 1_700_000_000.9}, {"created_at": "2023-11-14T22:13:20Z"}),
    "a time that is none": ({"id": "m", "created": "yesterday"}, {}),
    "a time before all models": ({"id": "m", "created": -5}, {}),
    "a time in milliseconds, after all models": ({"id": "m", "created": 1_700_000_000_000}, {}),
    "a name to show": ({"id": "m", "name": "The Model"}, {"display_name": "The Model"}),
    "an empty name": ({"id": "m", "name": ""}, {}),
    "a window": ({"id": "m", "context_length": 131072}, {"max_input_tokens": 131072}),
    "vLLM's window": ({"id": "m", "max_model_len": 8192}, {"max_input_tokens": 8192}),
    "a window that is none": ({"id": "m", "context_length": True}, {}),
}


@pytest.mark.parametrize(("entry", "changes"), ENTRIES.values(), ids=ENTRIES.keys())
def test_an_entry(entry: dict[str, Any], changes: dict[str, Any]) -> None:
    assert model_infos({"data": [entry]}, []) == [INFO | changes]


def ids(reply: object, configured: list[str], aliases: bool = False) -> list[str]:
    return [info["id"] for info in model_infos(reply, configured, aliases)]


TWO = {"object": "list", "data": [{"id": "a"}, {"id": "org/b"}]}

LISTS: dict[str, tuple[object, list[str], list[str]]] = {
    "as the backend lists them": (TWO, [], ["a", "org/b"]),
    "those of the settings come first": (TWO, ["mine"], ["mine", "a", "org/b"]),
    "each once": ({"data": [{"id": "a"}, {"id": "b"}, {"id": "a"}]}, ["b", "b"], ["b", "a"]),
    "a bare list": ([{"id": "a"}], [], ["a"]),
    "a list called models": ({"models": [{"id": "a"}]}, [], ["a"]),
    "entries that are no models": ({"data": [1, {"id": 5}, {"id": ""}, {"name": "x"}, None]}, [], []),
    "no list": ({"error": "no"}, ["mine"], ["mine"]),
    "no reply": (None, ["mine"], ["mine"]),
}


@pytest.mark.parametrize(("reply", "configured", "expected"), LISTS.values(), ids=LISTS.keys())
def test_a_list(reply: object, configured: list[str], expected: list[str]) -> None:
    assert ids(reply, configured) == expected


def test_a_model_of_the_settings_is_described_by_the_backend() -> None:
    (info,) = model_infos({"data": [{"id": "m", "name": "M", "context_length": 5}]}, ["m"])
    assert (info["display_name"], info["max_input_tokens"]) == ("M", 5)


def test_the_only_model_is_the_one_that_the_settings_name_differently() -> None:
    mine, _ = model_infos({"data": [{"id": "/models/q.gguf", "meta": {"n_ctx": 4096}}]}, ["q"])
    assert (mine["id"], mine["max_input_tokens"]) == ("q", 4096)


def test_aliases_are_for_those_that_the_picker_does_not_show() -> None:
    reply = {"data": [{"id": "qwen", "name": "Qwen"}, {"id": "claude-opus-5"}, {"id": "Anthropic/x"}, {"id": "org/b"}]}
    assert ids(reply, [], aliases=True) == [
        *("qwen", "claude/qwen"),
        *("claude-opus-5", "Anthropic/x"),
        *("org/b", "claude/org/b"),
    ]
    alias = model_infos(reply, [], aliases=True)[1]
    assert alias == {**INFO, "id": "claude/qwen", "display_name": "Qwen"}


# Pages

FIVE = [{"id": id} for id in "abcde"]

PAGES: dict[str, tuple[dict[str, Any], str, bool]] = {
    "the first": ({"limit": 2}, "ab", True),
    "the next": ({"limit": 2, "after_id": "b"}, "cd", True),
    "the last": ({"limit": 2, "after_id": "d"}, "e", False),
    "behind the last": ({"limit": 2, "after_id": "e"}, "", False),
    "one that is just full": ({"limit": 5}, "abcde", False),
    "backwards": ({"limit": 2, "before_id": "e"}, "cd", True),
    "backwards to the first": ({"limit": 2, "before_id": "c"}, "ab", False),
    "before the first": ({"limit": 2, "before_id": "a"}, "", False),
    "between two": ({"after_id": "a", "before_id": "d"}, "bc", False),
    "between two that stand the other way": ({"after_id": "d", "before_id": "a"}, "", False),
}


@pytest.mark.parametrize(("asked", "expected", "more"), PAGES.values(), ids=PAGES.keys())
def test_a_page(asked: dict[str, Any], expected: str, more: bool) -> None:
    found = page(FIVE, **asked)
    assert ("".join(info["id"] for info in found["data"]), found["has_more"]) == (expected, more)
    assert (found["first_id"], found["last_id"]) == ((expected[0], expected[-1]) if expected else (None, None))


@given(st.integers(0, 30), st.integers(1, 7))
def test_pages_are_the_list_in_pieces(count: int, limit: int) -> None:
    infos = [{"id": str(number)} for number in range(count)]
    gathered, after = [], None
    more = True
    while more:
        found = page(infos, limit, after)
        gathered += found["data"]
        after, more = found["last_id"], found["has_more"]
    assert gathered == infos


@pytest.mark.parametrize("parameter", ["after_id", "before_id"])
def test_an_id_that_is_not_there(parameter: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{parameter}: "):
        page(FIVE, **{parameter: "x"})  # type: ignore[arg-type]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["data", "models", "id", "name", "created", "context_length", "meta", "n_ctx"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON_VALUES, st.booleans())
def test_whatever_a_backend_lists_has_the_shape(reply: Any, aliases: bool) -> None:
    for info in model_infos(reply, ["mine"], aliases):
        assert info.keys() == INFO.keys()
        assert isinstance(info["id"], str)
        assert isinstance(info["display_name"], str)
        assert info["created_at"][10::9] == "TZ"
