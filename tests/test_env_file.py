"""The `.env` file is read with its references, and changed with care."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_proxy.config import SettingsError
from anthropic_proxy.dialects import PLAIN, parse_overrides
from anthropic_proxy.dialects.overrides import overrides_text
from anthropic_proxy.env_file import quoted, read_env_file, with_keys, write_env_file

ENV_FILES = {
    "plain lines": ("A=1\nB=2\n", {"A": ("1", 1), "B": ("2", 2)}),
    "quotes, comments and export": ("# keys\nexport A='x y' # why\n", {"A": ("x y", 2)}),
    "a reference to an earlier line": ("A=1\nB=${A}2\n", {"A": ("1", 1), "B": ("12", 2)}),
    "a reference to the environment, which wins": ("HOME=x\nA=${HOME}\n", {"HOME": ("x", 1), "A": ("/home/me", 2)}),
    "a reference to nothing stays for all to see": ("A=${NOTHING}\n", {"A": ("${NOTHING}", 1)}),
    "a name without a value is no setting": ("A\nB=2\n", {"B": ("2", 2)}),
    "a byte order mark": ("\ufeffA=1\n", {"A": ("1", 1)}),
}


@pytest.mark.parametrize(("text", "expected"), ENV_FILES.values(), ids=ENV_FILES.keys())
def test_env_file(text: str, expected: dict[str, tuple[str, int]], tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(text, encoding="utf-8")
    assert read_env_file(path, {"HOME": "/home/me"}) == expected


def test_no_env_file_is_no_trouble(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env", {}) == {}


def test_an_env_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_env_file(path, {})


KEY_FILES = {
    "keys, one a line": ("", "k-1\nk-2\n", "k-1,k-2"),
    "behind those of the variable": ("k-0", "k-1", "k-0,k-1"),
    "comments, blank lines and white space": ("", "\ufeff# for Ann\n\n  k-1 \r\n", "k-1"),
}


@pytest.mark.parametrize(("given", "text", "expected"), KEY_FILES.values(), ids=KEY_FILES.keys())
def test_keys_from_a_file(given: str, text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(text, encoding="utf-8")
    environ = with_keys({"PROXY_API_KEY": given, "PROXY_API_KEY_FILE": str(path), "OTHER": "1"})
    assert environ == {"PROXY_API_KEY": expected, "PROXY_API_KEY_FILE": str(path), "OTHER": "1"}


def test_no_file_of_keys_changes_nothing() -> None:
    assert with_keys({"PROXY_API_KEY": "k", "PROXY_API_KEY_FILE": " "}) == {
        "PROXY_API_KEY": "k",
        "PROXY_API_KEY_FILE": " ",
    }


NO_KEYS = {
    "is not there": (None, ": cannot read {path}: No such file or directory"),
    "is no text": (b"\xff\xfe", ": cannot read {path}: it is not UTF-8"),
    "has nothing but comments": (b"# none\n", ": no key in {path}; write one a line"),
}


@pytest.mark.parametrize(("data", "problem"), NO_KEYS.values(), ids=NO_KEYS.keys())
def test_a_file_of_keys_that(data: bytes | None, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SettingsError) as caught:
        with_keys({"PROXY_API_KEY_FILE": str(path)})
    assert str(caught.value) == "PROXY_API_KEY_FILE" + problem.format(path=path)


CHANGES: dict[str, tuple[str | None, dict[str, str], str]] = {
    "no file is made one": (None, {"A": "1"}, "A=1\n"),
    "a new variable goes to the end": ("A=1\n", {"B": "2"}, "A=1\nB=2\n"),
    "a last line without an end gets one": ("A=1", {"B": "2"}, "A=1\nB=2\n"),
    "a known one is changed in its place": ("A=1\nB=2\nC=3\n", {"B": "x y"}, 'A=1\nB="x y"\nC=3\n'),
    "comments, blank lines and order stay": ("# a\n\nB=2\n\n# c\n", {"B": "3"}, "# a\n\nB=3\n\n# c\n"),
    "a commented line is no variable": ("#A=1\n", {"A": "2"}, "#A=1\nA=2\n"),
    "`export` stays": ("export A=1\n", {"A": "2"}, "export A=2\n"),
    "spaces round the equals sign go": ("A = 1\n", {"A": "2"}, "A=2\n"),
    "a name without a value gets one": ("A\nB=2\n", {"A": "1"}, "A=1\nB=2\n"),
    "a value of several lines goes whole": ('A="1\n2"\nB=3\n', {"A": "4"}, "A=4\nB=3\n"),
    "a variable that stands twice is changed twice": ("A=1\nA=2\n", {"A": "3"}, "A=3\nA=3\n"),
    "a name that begins alike is left alone": ("AB=1\n", {"A": "2"}, "AB=1\nA=2\n"),
    "a byte order mark stays": ("\ufeffA=1\n", {"A": "2", "B": "3"}, "\ufeffA=2\nB=3\n"),
    "Windows' line ends stay": ("A=1\r\nB=2\r\n", {"A": "3", "C": "4"}, "A=3\r\nB=2\r\nC=4\r\n"),
    "what makes no sense stays": ("what is this\nA=1\n", {"A": "2"}, "what is this\nA=2\n"),
}


@pytest.mark.parametrize(("before", "values", "after"), CHANGES.values(), ids=CHANGES.keys())
def test_write(before: str | None, values: dict[str, str], after: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    if before is not None:
        path.write_bytes(before.encode())
    write_env_file(path, values)
    assert path.read_bytes().decode() == after
    assert os.listdir(tmp_path) == [".env"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_mode_is_kept(mode: int, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(mode)
    write_env_file(path, {"A": "2"})
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_is_private(tmp_path: Path) -> None:
    write_env_file(tmp_path / ".env", {"A": "1"})
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("A=1\n")
    (tmp_path / ".env").symlink_to(tmp_path / "shared")
    write_env_file(tmp_path / ".env", {"A": "2"})
    assert (tmp_path / ".env").is_symlink()
    assert (tmp_path / "shared").read_text() == "A=2\n"


def test_a_folder_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.env: cannot be written: No such file or directory$"):
        write_env_file(tmp_path / "none" / ".env", {"A": "1"})


def test_a_file_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        write_env_file(path, {"A": "1"})
    assert path.read_bytes() == b"\xff\xfe\x00"


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)
"""Facts of a dialect hold no white space; control characters are spelled out in them."""


@given(VALUES)
def test_a_value_is_read_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = tmp_path_factory.mktemp("env") / ".env"
    write_env_file(path, {"A": "first", "B": value})
    write_env_file(path, {"A": value})
    found = {name: read for name, (read, _) in read_env_file(path, {}).items()}
    assert found == {"A": value, "B": value}


@given(VALUES, VALUES)
def test_facts_of_a_dialect_survive_the_file(tmp_path_factory: pytest.TempPathFactory, one: str, other: str) -> None:
    fields = {"headers": (("X-A", one), ("X-B", other)), "reasoning_placeholder": " ", "stop_max": PLAIN.stop_max}
    path = tmp_path_factory.mktemp("env") / ".env"
    write_env_file(path, {"DIALECT": overrides_text(fields)})
    assert parse_overrides(read_env_file(path, {})["DIALECT"][0]) == fields


QUOTED = {
    "a URL": ("http://h:1/v1", "http://h:1/v1"),
    "nothing": ("", ""),
    "spaces": ("a=1 b=2", '"a=1 b=2"'),
    "quotes": ('a="1"', "'a=\"1\"'"),
    "a backslash": ("a\\b c", "'a\\\\b c'"),
    "both kinds of quotes": ("a\"'", "'a\"\\''"),
}


@pytest.mark.parametrize(("value", "expected"), QUOTED.values(), ids=QUOTED.keys())
def test_quoted(value: str, expected: str) -> None:
    assert quoted(value) == expected
