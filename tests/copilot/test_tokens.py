"""Where the tokens lie, who can read them, and who is asked to sign in."""

import stat
from pathlib import Path
from typing import Any

import pytest

from anthropic_proxy.copilot.places import Places, places
from anthropic_proxy.copilot.tokens import (
    CopilotError,
    checked_token,
    forget,
    needs_login,
    read_token,
    store,
    store_from_environment,
    stored_token,
)


def at(directory: Path, **environ: str) -> Places:
    return places({"GITHUB_COPILOT_TOKEN_DIR": str(directory), **environ})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_without_variables_the_places_are_litellms_own() -> None:
    where = places({"GITHUB_COPILOT_TOKEN_DIR": "", "GITHUB_COPILOT_API_KEY_URL": ""})
    assert where.access_token_file == Path.home() / ".config" / "litellm" / "github_copilot" / "access-token"
    assert where.api_key_file == where.directory / "api-key.json"
    assert where.is_default
    assert where.api_key_url == "https://api.github.com/copilot_internal/v2/token"


def test_variables_move_every_place() -> None:
    where = places(
        {
            "GITHUB_COPILOT_TOKEN_DIR": "/tokens",
            "GITHUB_COPILOT_ACCESS_TOKEN_FILE": "mine",
            "GITHUB_COPILOT_API_KEY_FILE": "/elsewhere/key.json",
            "GITHUB_COPILOT_CLIENT_ID": "id",
            "GITHUB_COPILOT_DEVICE_CODE_URL": "http://a/",
            "GITHUB_COPILOT_ACCESS_TOKEN_URL": "http://b/",
            "GITHUB_COPILOT_API_KEY_URL": "http://c/",
        }
    )
    assert where == Places(
        directory=Path("/tokens"),
        access_token_file=Path("/tokens/mine"),
        api_key_file=Path("/elsewhere/key.json"),
        is_default=False,
        client_id="id",
        device_code_url="http://a/",
        access_token_url="http://b/",
        api_key_url="http://c/",
    )


def test_what_is_stored_is_for_its_owner_alone(tmp_path: Path) -> None:
    where = at(tmp_path / "new" / "deep")
    store(where, where.access_token_file, "gho_1")
    assert stored_token(where) == "gho_1"
    assert mode(where.access_token_file) == 0o600
    assert [mode(where.directory), mode(where.directory.parent)] == [0o700, 0o700]


def test_a_file_others_could_read_is_replaced_by_one_they_cannot(tmp_path: Path) -> None:
    where = at(tmp_path)
    where.access_token_file.write_text("old")
    where.access_token_file.chmod(0o644)
    store(where, where.access_token_file, "new")
    assert (stored_token(where), mode(where.access_token_file)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [where.access_token_file]


def test_a_directory_of_somebody_elses_choice_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    where = at(tmp_path)
    store(where, where.access_token_file, "gho_1")
    assert mode(tmp_path) == 0o755


def test_litellms_own_directory_is_closed_to_others(tmp_path: Path) -> None:
    where = at(tmp_path)._replace(is_default=True)
    tmp_path.chmod(0o755)
    store(where, where.access_token_file, "gho_1")
    assert mode(tmp_path) == 0o700


@pytest.mark.parametrize("linked", ["the file", "the directory"])
def test_a_symbolic_link_is_not_followed(linked: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "access-token").write_text("untouched")
    here = tmp_path / "here"
    if linked == "the file":
        here.mkdir()
        (here / "access-token").symlink_to(there / "access-token")
    else:
        here.symlink_to(there)
    where = at(here)
    with pytest.raises(CopilotError, match="is a symbolic link, which is not followed"):
        store(where, where.access_token_file, "gho_1")
    assert [path.read_text() for path in there.iterdir()] == ["untouched"]


def test_a_directory_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    where = at(tmp_path / "file")
    with pytest.raises(CopilotError, match=r"cannot be written: .*; GITHUB_COPILOT_TOKEN_DIR names another directory"):
        store(where, where.access_token_file, "gho_1")


def test_nothing_half_written_is_left_behind(tmp_path: Path) -> None:
    where = at(tmp_path)
    where.access_token_file.mkdir()
    with pytest.raises(CopilotError, match="cannot be written"):
        store(where, where.access_token_file, "gho_1")
    assert [path.name for path in tmp_path.iterdir()] == ["access-token"]


def test_forgetting_removes_both_files(tmp_path: Path) -> None:
    where = at(tmp_path)
    store(where, where.access_token_file, "gho_1")
    store(where, where.api_key_file, "{}")
    assert forget(where) == [where.access_token_file, where.api_key_file]
    assert forget(where) == []
    assert stored_token(where) is None


TOKENS = {
    "two lines": "gho_1\ngho_2",
    "a word and another": "my token",
    "letters no token has": "gho_ü",
    "far too long": "x" * 5000,
}


@pytest.mark.parametrize("text", TOKENS.values(), ids=TOKENS.keys())
def test_what_is_no_token_is_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(CopilotError, match="holds no token") as caught:
        read_token(path)
    assert text.split()[0] not in str(caught.value)


def test_space_around_a_token_does_not_matter() -> None:
    assert checked_token(" gho_1\r\n", "here") == "gho_1"


UNREADABLE: dict[str, tuple[bytes | None, str]] = {
    "nothing there": (None, "is not there"),
    "an empty file": (b" \n", "holds no token"),
    "no text": (b"\xff\xfe", "cannot be read: not text"),
}


@pytest.mark.parametrize(("content", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_token_file_that_cannot_be_used_is_named(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CopilotError, match=f"{path}: {words}"):
        read_token(path)


def config(**parameters: Any) -> dict[str, Any]:
    return {"model_list": [{"model_name": "a", "litellm_params": parameters}]}


CONFIGS: dict[str, tuple[Any, bool]] = {
    "a Copilot model": (config(model="github_copilot/gpt-4.1"), True),
    "every Copilot model": (config(model="github_copilot/*"), True),
    "a Copilot model by its other name": (config(model="gpt-4.1", custom_llm_provider="github_copilot"), True),
    "another model": (config(model="openai/gpt-4.1"), False),
    "no models": ({"general_settings": {}}, False),
    "an empty list": ({"model_list": None}, False),
    "an entry without parameters": ({"model_list": [{"model_name": "a"}, "b"]}, False),
    "an empty file": (None, False),
}


@pytest.mark.parametrize(("parsed", "wanted"), CONFIGS.values(), ids=CONFIGS.keys())
def test_who_has_to_sign_in(parsed: Any, wanted: bool, tmp_path: Path) -> None:
    environ = {"GITHUB_COPILOT_TOKEN_DIR": str(tmp_path)}
    assert needs_login(parsed, environ) is wanted
    (tmp_path / "access-token").write_text("gho_1\n")
    assert needs_login(parsed, environ) is False


def test_an_empty_token_file_is_no_sign_in(tmp_path: Path) -> None:
    (tmp_path / "access-token").write_text("\n")
    assert needs_login(config(model="github_copilot/x"), {"GITHUB_COPILOT_TOKEN_DIR": str(tmp_path)})


def test_a_token_in_the_environment_is_stored_for_litellm(tmp_path: Path) -> None:
    environ = {"GITHUB_COPILOT_TOKEN_DIR": str(tmp_path), "GITHUB_COPILOT_TOKEN": "gho_new"}
    where = places(environ)
    store(where, where.access_token_file, "gho_old")
    store(where, where.api_key_file, "{}")
    assert store_from_environment(environ)
    assert stored_token(where) == "gho_new"
    assert not where.api_key_file.exists(), "the other account's key is gone"
    store(where, where.api_key_file, "{}")
    assert store_from_environment(environ)
    assert where.api_key_file.exists(), "the same account's key is kept"
    assert not store_from_environment({**environ, "GITHUB_COPILOT_TOKEN": ""})
