"""Filters for the text of a reply: what they pass on does not depend on how the text was cut."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.translate.chat.filters import (
    StopScanner,
    TextFilter,
    ThinkTags,
    WholeCharacters,
    WithoutFence,
    WithoutPrefix,
    unfenced,
)
from anthropic_proxy.translate.chat.text import ReplyText


def passed(text_filter: TextFilter, *texts: str) -> list[str]:
    """What each text passes on, and last what was held."""
    return [*(text_filter.feed(text) for text in texts), text_filter.close()]


def fragments_of(text: str, data: st.DataObject) -> list[str]:
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


# Stop sequences

STOPS: dict[str, tuple[list[str], list[str], list[str], str | None]] = {
    "text up to the sequence passes": (["END"], ["a END b"], ["a ", ""], "END"),
    "a sequence may come in pieces": (["END"], ["a E", "N", "D b"], ["a ", "", "", ""], "END"),
    "what only began like one passes after all": (["END"], ["a E", "N b"], ["a ", "EN b", ""], None),
    "what is held at the end passes": (["END"], ["a EN"], ["a ", "EN"], None),
    "nothing passes after a match": (["END"], ["END", "a"], ["", "", ""], "END"),
    "at one place the longest counts": (["END", "ENDING"], ["a END", "ING"], ["a ", "", ""], "ENDING"),
    "a longer one that does not come leaves the shorter": (["END", "ENDING"], ["a END", " b"], ["a ", "", ""], "END"),
    "a shorter one that was held counts at the end": (["END", "ENDING"], ["a END"], ["a ", ""], "END"),
    "an earlier longer one counts before a later shorter one": (["c", "abcd"], ["x abc", "d"], ["x ", "", ""], "abcd"),
    "if it does not come, the later one counts": (["c", "abcd"], ["x abc", "e"], ["x ", "ab", ""], "c"),
    "a sequence may begin again inside itself": (["aab"], ["aa", "ab"], ["", "a", ""], "aab"),
}


@pytest.mark.parametrize(("sequences", "texts", "expected", "matched"), STOPS.values(), ids=STOPS.keys())
def test_stop_scanner(sequences: list[str], texts: list[str], expected: list[str], matched: str | None) -> None:
    scanner = StopScanner(sequences)
    assert (passed(scanner, *texts), scanner.matched) == (expected, matched)


def naive_stop(text: str, sequences: list[str]) -> tuple[str, str | None]:
    """The text before the earliest match, and the longest sequence there."""
    for place in range(len(text)):
        here = [sequence for sequence in sequences if text.startswith(sequence, place)]
        if here:
            return text[:place], max(here, key=len)
    return text, None


letters = st.text("abc", min_size=1, max_size=5)


@given(st.lists(letters, min_size=1, max_size=5), st.text("abc ", max_size=25), st.data())
def test_the_scanner_finds_what_a_naive_search_finds(sequences: list[str], text: str, data: st.DataObject) -> None:
    scanner = StopScanner(sequences)
    shown = "".join(passed(scanner, *fragments_of(text, data)))
    assert (shown, scanner.matched) == naive_stop(text, sequences)


@given(st.lists(letters, min_size=1, max_size=3), st.text("abc ", max_size=25), st.data())
def test_the_scanner_holds_no_more_than_may_begin_a_sequence(
    sequences: list[str], text: str, data: st.DataObject
) -> None:
    scanner, fed, shown = StopScanner(sequences), "", ""
    for fragment in fragments_of(text, data):
        fed += fragment
        shown += scanner.feed(fragment)
        if scanner.matched is None:
            held = fed[len(shown) :]
            assert held == "" or any(sequence.startswith(held[:1]) for sequence in sequences)
            assert len(held) <= max(2 * len(sequence) for sequence in sequences)


# Think tags

TAGS: dict[str, tuple[list[str], str, str]] = {
    "reasoning at the start, then text": (["<think>a</think>b"], "a", "b"),
    "white space in front and after is no text": (["\n <think>a</think>\n\n", "\n", " b"], "a", "b"),
    "tags may be cut anywhere": (["<th", "ink", ">a</", "thin", "k>", "b"], "a", "b"),
    "what only looks like the end stays": (["<think>a </thin ", "b</think>c"], "a </thin b", "c"),
    "text that begins otherwise has no tags": (["a <think>b</think>"], "", "a <think>b</think>"),
    "neither has text that only began like one": (["<thi", "s> <think>b</think>"], "", "<this> <think>b</think>"),
    "a second tag is text": (["<think>a</think>b <think>c</think>"], "a", "b <think>c</think>"),
    "a closing tag alone at the start is taken out": (["</th", "ink>\n", "\na </think>"], "", "a </think>"),
    "reasoning without an end is reasoning": (["<think>a</thi"], "a</thi", ""),
    "a beginning that is all is text": (["<thi"], "", "<thi"),
    "empty reasoning is none": (["<think></think>a"], "", "a"),
    "white space alone is text": ([" \n"], "", " \n"),
}


@pytest.mark.parametrize(("texts", "thought", "shown"), TAGS.values(), ids=TAGS.keys())
def test_think_tags(texts: list[str], thought: str, shown: str) -> None:
    tags = ThinkTags()
    parts = [*(tags.split(text) for text in texts), tags.close()]
    assert ("".join(part[0] for part in parts), "".join(part[1] for part in parts)) == (thought, shown)


def test_once_something_else_followed_there_is_no_start_any_more() -> None:
    tags = ThinkTags()
    assert (tags.close(), tags.split("<think>a</think>")) == (("", ""), ("", "<think>a</think>"))


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "a", " ", "\n"]), max_size=8), st.data())
def test_think_tags_do_not_depend_on_the_cuts(words: list[str], data: st.DataObject) -> None:
    text = "".join(words)

    def split(texts: list[str]) -> tuple[str, str]:
        tags = ThinkTags()
        parts = [*(tags.split(text) for text in texts), tags.close()]
        return "".join(part[0] for part in parts), "".join(part[1] for part in parts)

    assert split(fragments_of(text, data)) == split([text])


# Characters, fences, prefixes

HALVES: dict[str, tuple[list[str], list[str]]] = {
    "whole text passes": (["a", "🌍"], ["a", "🌍", ""]),
    "the halves of a pair are joined": (["a\ud83c", "\udf0db"], ["a", "🌍b", ""]),
    "a pair may come alone": (["\ud83c", "\udf0d"], ["", "🌍", ""]),
    "a half that is lost becomes a replacement": (["\ud83c", "a"], ["", "\ufffda", ""]),
    "two first halves": (["\ud83c\ud83c", "\udf0d"], ["\ufffd", "🌍", ""]),
    "so does one at the end": (["a\ud83c"], ["a", "\ufffd"]),
    "nothing between the halves is nothing": (["\ud83c", "", "\udf0d"], ["", "", "🌍", ""]),
}


@pytest.mark.parametrize(("texts", "expected"), HALVES.values(), ids=HALVES.keys())
def test_whole_characters(texts: list[str], expected: list[str]) -> None:
    assert passed(WholeCharacters(), *texts) == expected


FENCES: dict[str, tuple[list[str], list[str]]] = {
    "text without a fence passes as it comes": (['{"a"', ": 1}"], ['{"a"', ": 1}", ""]),
    "a fence is taken off": (["```json\n", "{}\n```"], ["", "", "{}"]),
    "a fence may be cut": (["\n`", "``\n{}", "\n```\n"], ["", "", "", "{}"]),
    "a fence that is never closed stays": (["```json\n{}"], ["", "```json\n{}"]),
    "what only began like one passes": (["`", "a`"], ["", "`a`", ""]),
    "a fence with a sentence behind it is text": (["```json please\n{}\n```"], ["", "```json please\n{}\n```"]),
    "a fence on one line is text": (["```{}```"], ["", "```{}```"]),
    "fences alone are text": (["``````"], ["", "``````"]),
}


@pytest.mark.parametrize(("texts", "expected"), FENCES.values(), ids=FENCES.keys())
def test_without_fence(texts: list[str], expected: list[str]) -> None:
    assert passed(WithoutFence(), *texts) == expected
    assert "".join(expected) == unfenced("".join(texts))


PREFIXES: dict[str, tuple[list[str], list[str]]] = {
    "text that says it again loses it": (["The answer"], [" answer", ""]),
    "it may be cut": (["T", "he", " answer"], ["", "", " answer", ""]),
    "text that goes on passes": (["answer", " The"], ["answer", " The", ""]),
    "text that only began like it passes": (["Th", "at"], ["", "That", ""]),
    "too little to tell passes at the end": (["Th"], ["", "Th"]),
}


@pytest.mark.parametrize(("texts", "expected"), PREFIXES.values(), ids=PREFIXES.keys())
def test_without_prefix(texts: list[str], expected: list[str]) -> None:
    assert passed(WithoutPrefix("The"), *texts) == expected


def test_a_prefix_only_counts_at_the_start() -> None:
    without = WithoutPrefix("The")
    assert (without.close(), without.feed("The")) == ("", "The")


# All of them

EVERYTHING: dict[str, Any] = {
    "think_tags": True,
    "prefill": "The",
    "fenced": False,
    "stop_sequences": ("END", "STOP"),
    "keep": True,
}


def test_text_goes_through_all_filters_in_order() -> None:
    text = ReplyText(**EVERYTHING)
    fed = [text.feed(part) for part in ("<think>END", "</think>Th", "e ans\ud83c", "\udf0dwer E", "ND b")]
    assert fed == [("END", ""), ("", ""), ("", " ans"), ("", "🌍wer "), ("", "")]
    assert (text.flush(), text.matched, text.answer) == (("", ""), "END", " ans🌍wer ")


def test_a_flush_gives_what_every_filter_held() -> None:
    text = ReplyText(**EVERYTHING)
    assert (text.feed("That is EN\ud83c"), text.flush()) == (("", "That is "), ("", "EN\ufffd"))
    text = ReplyText(**EVERYTHING)
    assert (text.feed("<think>a</th"), text.flush(), text.answer) == (("a", ""), ("</th", ""), "")


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "The", " ", "END", "ST", "OP", "🌍", "a"]), max_size=8), st.data()
)
def test_the_whole_row_does_not_depend_on_the_cuts(words: list[str], data: st.DataObject) -> None:
    def shown(texts: list[str]) -> tuple[str, str, str | None]:
        text = ReplyText(**EVERYTHING)
        parts = [*(text.feed(part) for part in texts if part), text.flush()]
        assert "".join(part[1] for part in parts) == text.answer
        return "".join(part[0] for part in parts), text.answer, text.matched

    whole = "".join(words)
    assert shown(fragments_of(whole, data)) == shown([whole])


def test_text_without_filters_is_not_kept() -> None:
    text = ReplyText(think_tags=False, prefill="", fenced=False, stop_sequences=(), keep=False)
    assert (text.feed("a"), text.flush(), text.answer, text.matched) == (("", "a"), ("", ""), "", None)
