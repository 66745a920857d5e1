"""Writes the generated parts of these pages from the source they tell of, so that they cannot go stale.

    python docs/generate.py             write them
    python docs/generate.py --check     say which are out of date; exit status 1 if any is

A page is written by hand down to the line MARK; what follows it is the text of its function in PAGES.
"""

import argparse
import ast
import inspect
import io
import re
import runpy
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from anthropic_proxy import config
from anthropic_proxy.config import Settings
from anthropic_proxy.dialects import DIALECTS, MODEL_RULES, PLAIN, Dialect, Entry, table
from anthropic_proxy.dialects.overrides import allowed, value_text
from anthropic_proxy.errors import STATUS
from anthropic_proxy.model_map.specs import BackendSpec, LongContextSpec, RouteSpec
from anthropic_proxy.translate import fields as top_level
from anthropic_proxy.translate.chat import blocks
from anthropic_proxy.translate.chat.assistant import ASSISTANT_BLOCKS
from anthropic_proxy.translate.chat.parts import USER_PARTS
from anthropic_proxy.translate.chat.stop_reasons import BROKEN, STOP_REASONS
from anthropic_proxy.translate.chat.tool_results import RESULT_PARTS

DOCS = Path(__file__).parent
MARK = "<!-- Generated from here on by docs/generate.py: change the source and run `make docs`. -->"


def backends() -> str:
    return "\n".join([*_fields_section(), *_entries_section(), *_rules_section()])


def _fields_section() -> Iterator[str]:
    yield "## The fields\n"
    for heading, names in field_groups().items():
        yield f"### {heading}\n"
        for name in names:
            default = _code(value_text(name, getattr(PLAIN, name)))
            yield f"**`{name}`**: {field_meanings()[name]}"
            yield f"Values: {_words(allowed(name))}. Default: {default}.\n"


def _words(text: str) -> str:
    """The names after "one of" as code."""
    found = re.fullmatch(r"one of ([^;]+)(.*)", text)
    return f"{', '.join(map(_code, found[1].split(', ')))}{found[2]}" if found else text


def _entries_section() -> Iterator[str]:
    yield "## The backends\n"
    yield "First match wins. A backend without a host is found by its name, or recognised by what it answers.\n"
    for entry in DIALECTS:
        yield f"### `{entry.dialect.name}`\n"
        yield f"Hosts: {', '.join(map(_code, entry.hosts)) or 'none'}.\n"
        yield from _departures_table(entry)


def _departures_table(entry: Entry) -> Iterator[str]:
    found = departures(entry.dialect)
    if not found:
        yield "As the defaults.\n"
        return
    yield "| Field | Value | Why |"
    yield "|---|---|---|"
    for name in found:
        value = value_text(name, getattr(entry.dialect, name))
        yield f"| `{name}` | {_code(value)} | {_cell(reason(entry.dialect.name, name))} |"
    yield ""


def _rules_section() -> Iterator[str]:
    yield "## The models\n"
    yield "Applied in order on top of the backend's entry, a later rule over an earlier one.\n"
    yield "| Backend | Model | Changes | Why |"
    yield "|---|---|---|---|"
    for rule in MODEL_RULES:
        changes = " ".join(_code(f"{name}={value_text(name, value)}") for name, value in rule.fields.items())
        yield f"| {_globs(rule.dialect)} | {_globs(rule.model)} | {changes} | {_cell(rule.why)} |"
    yield ""


def _globs(globs: str) -> str:
    return " ".join(map(_code, globs.split("|")))


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def departures(dialect: Dialect) -> list[str]:
    """The fields in which `dialect` differs from PLAIN, its name aside."""
    names = (field.name for field in fields(Dialect))
    return [name for name in names if name != "name" and getattr(dialect, name) != getattr(PLAIN, name)]


def reason(backend: str, field: str) -> str:
    """The comment beside a departure in the table; a variant such as `deepseek-beta` has those of its kind."""
    comments = field_comments()
    return comments.get((backend, field)) or comments.get((backend.split("-")[0], field), "")


@cache
def field_meanings() -> dict[str, str]:
    """The text under each field of Dialect."""
    return {
        name: " ".join(text.value.value.split())
        for name, text in _fields_with_next_statement()
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def field_groups() -> dict[str, list[str]]:
    """The fields of Dialect under the comments that head them."""
    source = inspect.getsource(Dialect)
    headings = _comments(source)
    groups: dict[str, list[str]] = {}
    for statement in _statements(source):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            heading = headings[max(line for line in headings if line < statement.lineno)]
            groups.setdefault(heading, []).append(statement.target.id)
    return groups


def _fields_with_next_statement() -> Iterator[tuple[str, ast.stmt]]:
    for statement, following in pairwise(_statements(inspect.getsource(Dialect))):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, following


def _statements(source: str) -> list[ast.stmt]:
    """The statements in the body of the class that is all of `source`."""
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.ClassDef)
    return definition.body


@cache
def field_comments() -> dict[tuple[str, str], str]:
    """By backend and field: the comment on a departure's line, after those on lines of their own above it."""
    source = inspect.getsource(table)
    lines, comments = source.splitlines(), _comments(source)
    found = {}
    for call in ast.walk(ast.parse(source)):
        words = call.keywords if isinstance(call, ast.Call) else []
        backend = next((word.value.value for word in words if word.arg == "name" and _is_text(word.value)), None)
        for word in words if backend else ():
            found[str(backend), str(word.arg)] = _comment_on(word, lines, comments)
    return found


def _is_text(node: ast.expr) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _comment_on(word: ast.keyword, lines: list[str], comments: dict[int, str]) -> str:
    texts = [comments.get(word.end_lineno or 0, "")]
    line = word.lineno - 1
    while lines[line - 1].lstrip().startswith("#"):
        texts.insert(0, comments[line])
        line -= 1
    return " ".join(texts).strip()


def _comments(source: str) -> dict[int, str]:
    """The comments in `source` by line, counted from 1."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def environment() -> str:
    rows = [_setting_row(name, field) for name, field in Settings.model_fields.items()]
    return "\n".join(["| variable | value | default | meaning |", "|---|---|---|---|", *rows])


def _setting_row(name: str, field: FieldInfo) -> str:
    default = field.get_default()
    shown = "" if field.is_required() or default in (None, "") else _code(_setting_text(default))
    return f"| `{name.upper()}` | {_cell(config.allowed(name))} | {shown} | {_cell(field.description or '')} |"


def _setting_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def mapping() -> str:
    return "\n".join([*_top_level_section(), *_blocks_section(), *_ends_section()])


def _top_level_section() -> Iterator[str]:
    yield "## Fields of a request\n"
    yield f"Used: {_names(top_level.USED)}.\n"
    yield "| Field | What becomes of it | Why |"
    yield "|---|---|---|"
    for name, (_, why) in top_level.REFUSED.items():
        yield f"| `{name}` | refused | {_cell(why)} |"
    for name, why in top_level.DROPPED.items():
        yield f"| `{name}` | dropped and named | {_cell(why)} |"
    for name, why in top_level.IGNORED.items():
        yield f"| `{name}` | ignored | {_cell(why)} |"
    yield "| any other | dropped and named | a client newer than the proxy must not break |\n"


def _blocks_section() -> Iterator[str]:
    sent = "sent"
    yield "## Blocks\n"
    yield "| Block | In a user message | In an assistant message |"
    yield "|---|---|---|"
    user = dict.fromkeys([*USER_PARTS, "tool_result"], sent) | _left_out(blocks.USER_SILENT, blocks.USER_REFUSED)
    assistant = dict.fromkeys(ASSISTANT_BLOCKS, sent) | _left_out(blocks.ASSISTANT_SILENT, blocks.ASSISTANT_REFUSED)
    assistant["compaction"] = "sent as the user's, before the rest"
    for name in sorted(user.keys() | assistant.keys()):
        told = "sent with its call" if name.endswith("_tool_result") else "dropped and named"
        yield f"| `{name}` | {user.get(name, 'refused')} | {assistant.get(name, told)} |"
    yield "| any other | refused | dropped and named |\n"
    yield f"Inside a `tool_result`: {_names(RESULT_PARTS)}. Any other block there is refused.\n"


def _left_out(silent: Mapping[str, str], refused: Mapping[str, str]) -> dict[str, str]:
    """What the tables say of blocks that no message is made of."""
    return (
        {name: f"says nothing by itself: {why}" for name, why in silent.items()}
        | {name: f"dropped and named: {why}" for name, why in blocks.DROPPED.items()}
        | {name: f"refused: {why}" for name, why in refused.items()}
    )


def _ends_section() -> Iterator[str]:
    yield "## Why a reply ended\n"
    yield "Finish reasons in small letters. `tool_use` is said only where there was a call.\n"
    yield "| Finish reason | Stop reason |"
    yield "|---|---|"
    for reason, meaning in STOP_REASONS.items():
        yield f"| `{reason}` | {'an error: the model or its server failed' if meaning == BROKEN else _code(meaning)} |"
    yield "| any other, or none after `[DONE]` | `end_turn` |\n"
    yield "## Errors\n"
    yield "| Type | Status |"
    yield "|---|---|"
    for name, status in STATUS.items():
        yield f"| `{name}` | {status} |"
    yield ""


def reliability() -> str:
    """The matrix is the tests' own, which hold the proxy to every cell of it."""
    matrix = runpy.run_path(str(DOCS.parent / "tests" / "faults" / "matrix.py"))["MATRIX"]
    cells = sum(1 for row in matrix.values() for outcome in row if outcome)
    heading = [
        f"{len(matrix)} faults, {cells} cases.",
        "",
        "| The backend, or the network before it … | whole reply, at once | whole reply, midway "
        "| stream, at once | stream, midway |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*heading, *(_fault_row(fault, row) for fault, row in matrix.items())])


def _fault_row(fault: str, outcomes: Iterable[str]) -> str:
    told = ("" if not outcome else "all of it" if outcome == "complete" else _code(outcome) for outcome in outcomes)
    return f"| {_cell(fault)} | {' | '.join(told)} |"


def models() -> str:
    """The keys of the settings file, as its own shapes describe them."""
    sections: dict[str, type[BaseModel]] = {
        "backends:` *name*`:": BackendSpec,
        "models:` *pattern*`:": RouteSpec,
        "long_context:": LongContextSpec,
    }
    return "\n".join(line for name, spec in sections.items() for line in _keys_section(name, spec))


def _keys_section(name: str, spec: type[BaseModel]) -> Iterator[str]:
    yield f"## `{name}`\n"
    yield "| key | meaning |"
    yield "|---|---|"
    for key, field in spec.model_fields.items():
        yield f"| `{key}` | {'Required. ' if field.is_required() else ''}{_cell(field.description or '')} |"
    yield ""


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(_code, sorted(names)))


PAGES: tuple[tuple[str, Callable[[], str]], ...] = (
    ("backends.md", backends),
    ("environment.md", environment),
    ("mapping.md", mapping),
    ("models.md", models),
    ("reliability.md", reliability),
)


def current(file: str, write: Callable[[], str]) -> str:
    """The page as it ought to be."""
    by_hand, mark, _ = (DOCS / file).read_text().partition(MARK)
    if not mark:
        raise ValueError(f"docs/{file}: has no line {MARK!r}")
    return f"{by_hand}{MARK}\n\n{write().rstrip()}\n"


def stale() -> list[str]:
    """The pages that are out of date."""
    return [file for file, write in PAGES if (DOCS / file).read_text() != current(file, write)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the generated parts of docs/.")
    parser.add_argument("--check", action="store_true", help="only say which pages are out of date")
    check = parser.parse_args().check
    for file in (found := stale()):
        print(f"docs/{file}: {'out of date; run `make docs`' if check else 'written'}")
    if check:
        return int(bool(found))
    for file, write in PAGES:
        (DOCS / file).write_text(current(file, write))
    return 0


if __name__ == "__main__":
    sys.exit(main())
