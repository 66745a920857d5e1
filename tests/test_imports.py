"""Imports run one way, and the core knows nothing of the world outside."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path, PurePath

import pytest

PACKAGE = "anthropic_proxy"
ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / PACKAGE
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

RUNGS: tuple[set[str], ...] = (
    {"wire", "dialects", "errors"},
    {"translate", "upstream"},
    {"addresses", "setting_kinds", "config", "model_map", "routing"},
    {"turn", "backend", "backends", "estimate", "exchange", "fallbacks", "env_file", "settings_file"},
    {"server"},
    {"copilot", "demo", "doctor", "model_commands", "replay"},
    {"up"},
    {"launcher"},
    {"cli", "__main__", "__init__"},
)
"""Top names of the package, lowest first. A module imports from its own rung and those below."""

STRANGERS: tuple[set[str], ...] = (
    {"translate", "upstream"},
    {"copilot", "demo", "doctor", "model_commands", "replay"},
)
"""Names on one rung that must not know each other all the same: what is computed and what is fetched; the
commands beside `serve`."""

CORE = {"wire", "dialects", "errors", "translate", "addresses", "setting_kinds", "config", "model_map", "routing"}

WORLDLY = {
    *("asyncio", "concurrent", "multiprocessing", "subprocess", "threading", "socket", "ssl", "signal"),
    *("os", "pathlib", "shutil", "tempfile", "sys", "logging"),
    *("time", "random", "secrets", "uuid"),
    *("aiohttp", "dotenv", "fastapi", "httptools", "starlette", "typer", "uvicorn", "uvloop"),
}
"""What the core may not import: waiting, the machine, the clock, chance, and the libraries for them."""

FOREIGN = {"anthropic_proxy.up.read_config": {"yaml"}}
"""Scripts that another program's interpreter runs, each with the libraries it finds there."""

NO_LATE_IMPORTS = {"wire", "dialects", "translate"}

MOST_LINES = 400


class Module:
    """One source file: its dotted name, top name, tree, and the imports anywhere in it."""

    def __init__(self, place: PurePath, source: str) -> None:
        parts = (PACKAGE, *place.with_suffix("").parts)
        self.is_package = parts[-1] == "__init__"
        self.top = parts[1]
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        self.lines = source.splitlines()
        self.tree = ast.parse(source)

    def imports(self) -> Iterator[str]:
        """Dotted names, with the name imported from a module as its last part."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{self.origin(node)}.{alias.name}" for alias in node.names)

    def origin(self, node: ast.ImportFrom) -> str:
        """The module a `from` names, dots resolved."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        parents = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*parents, node.module] if node.module else parents)


MODULES = [Module(path.relative_to(SOURCE), path.read_text()) for path in sorted(SOURCE.rglob("*.py"))]
NAMES = {module.name for module in MODULES}


def rung(top: str) -> int:
    return next(number for number, tops in enumerate(RUNGS) if top in tops)


def inner_imports(module: Module) -> set[str]:
    """The modules of this package that `module` imports. Its version is a constant that all may know."""
    found = set()
    for name in set(module.imports()) - {f"{PACKAGE}.__version__"}:
        if name in NAMES:
            found.add(name)
        elif name.rpartition(".")[0] in NAMES:
            found.add(name.rpartition(".")[0])
    return found - {module.name}


def top_name(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def are_strangers(one: str, other: str) -> bool:
    return one != other and any({one, other} <= group for group in STRANGERS)


def upward_imports(module: Module) -> list[str]:
    return [
        name
        for name in sorted(inner_imports(module))
        if rung(top_name(name)) > rung(module.top) or are_strangers(module.top, top_name(name))
    ]


def worldly_imports(module: Module) -> list[str]:
    return sorted({name.split(".")[0] for name in module.imports()} & WORLDLY)


def waiting_lines(module: Module) -> list[int]:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    return [node.lineno for node in ast.walk(module.tree) if isinstance(node, waiting)]


def late_imports(module: Module) -> list[int]:
    functions = [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = (node for function in functions for node in ast.walk(function))
    return sorted({node.lineno for node in inner if isinstance(node, ast.Import | ast.ImportFrom)})


def import_cycle(graph: dict[str, set[str]]) -> list[str]:
    """A round trip through `graph`, or nothing."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for next_name in sorted(graph[name]):
            if found := visit(next_name, [*trail, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


def test_every_top_name_has_its_rung() -> None:
    assert {module.top for module in MODULES} <= set().union(*RUNGS)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_imports_run_one_way(module: Module) -> None:
    assert upward_imports(module) == []


@pytest.mark.parametrize("module", [m for m in MODULES if m.top in CORE], ids=lambda module: module.name)
def test_the_core_is_not_worldly(module: Module) -> None:
    assert (worldly_imports(module), waiting_lines(module)) == ([], [])


@pytest.mark.parametrize("module", [m for m in MODULES if m.top in NO_LATE_IMPORTS], ids=lambda module: module.name)
def test_nothing_is_imported_inside_a_function(module: Module) -> None:
    assert late_imports(module) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_is_one_sitting(module: Module) -> None:
    assert len(module.lines) <= MOST_LINES


def test_every_library_is_a_declared_dependency() -> None:
    libraries = set().union(*(own_libraries(module) for module in MODULES))
    requirements = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]
    declared = {canonical(requirement) for requirement in requirements}
    providers = packages_distributions()
    unknown = {name for name in libraries if not declared & set(map(canonical, providers.get(name, ())))}
    assert unknown == set()


def own_libraries(module: Module) -> set[str]:
    libraries = {name.split(".")[0] for name in module.imports()}
    return libraries - {PACKAGE, *sys.stdlib_module_names} - FOREIGN.get(module.name, set())


def canonical(requirement: str) -> str:
    """The name in a requirement, as indexes spell it."""
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0] if name else "").lower()


def test_no_import_comes_round_to_where_it_began() -> None:
    assert import_cycle({module.name: inner_imports(module) for module in MODULES}) == []


def test_an_upward_import_would_be_seen() -> None:
    module = Module(PurePath("translate/x.py"), f"from {PACKAGE} import create_app\nfrom ..wire import json\n")
    assert upward_imports(module) == [PACKAGE]


def test_a_stranger_would_be_seen() -> None:
    module = Module(
        PurePath("translate/x.py"), f"import {PACKAGE}.upstream.base\nfrom {PACKAGE}.errors import STATUS\n"
    )
    assert upward_imports(module) == [f"{PACKAGE}.upstream.base"]


def test_a_worldly_word_would_be_seen() -> None:
    module = Module(PurePath("wire/x.py"), "def f():\n    import os.path\n\nasync def g(): ...\n")
    assert (worldly_imports(module), late_imports(module), waiting_lines(module)) == (["os"], [2], [4])


def test_a_cycle_would_be_seen() -> None:
    assert import_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
