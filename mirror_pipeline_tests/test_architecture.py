"""The layout as rules over the source: who may import whom, who does I/O, and how big things may get.

The rules are functions of ``Source`` values, so that each is also shown something that breaks it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median, quantiles

import pytest

import mirror_pipeline

PACKAGE = "mirror_pipeline"
ROOT = Path(mirror_pipeline.__file__).parent

MAY_IMPORT: Mapping[str, set[str]] = {
    "errors": set(),
    "domain": {"errors"},
    "lockfiles": {"domain", "errors"},
    "config_values": {"errors"},
    "cloud_settings": {"config_values", "domain"},
    "settings": {"cloud_settings", "config_values", "domain", "errors"},
    "configuration": {"settings", "errors"},
    "edge": set(),
    "adapters": {"lockfiles", "domain", "errors"},
    "sites": {"adapters", "domain", "errors"},
    "phases": {"sites", "adapters", "lockfiles", "domain", "settings", "errors"},
    "resources": {"phases"},
    "assets": {"phases", "adapters", "domain", "errors"},
    "staleness": {"assets"},
    "automation": {"assets", "domain", "phases", "staleness", "errors"},
    "triggers": {"assets", "phases", "staleness"},
    "alerting": {"assets", "domain", "phases"},
    "recovery": {"phases"},
    "definitions": {
        "alerting", "assets", "automation", "configuration", "phases", "recovery", "resources",
        "triggers",
    },
    "instance": {"adapters", "settings", "errors"},
    "refresh": {
        "assets", "automation", "definitions", "domain", "errors", "phases", "recovery", "staleness"
    },
    "results": {"adapters", "domain", "errors"},
    "commands": {"adapters", "domain", "errors", "instance", "phases", "refresh", "results", "settings"},
    "token_commands": {"adapters", "commands", "domain", "errors", "phases", "results"},
    "cli_tokens": {"commands", "token_commands"},
    "infra_commands": {
        "adapters", "commands", "domain", "errors", "instance", "phases", "refresh", "results"
    },
    "cli_infra": {"commands", "infra_commands"},
    "history_commands": {
        "adapters", "commands", "domain", "instance", "phases", "refresh", "results", "sites"
    },
    "refresh_commands": {
        "commands", "domain", "errors", "instance", "phases", "refresh", "results"
    },
    "command_alerts": {"commands", "domain", "errors", "phases"},
    "drift_commands": {"adapters", "commands", "domain", "phases", "results"},
    "serving_commands": {"adapters", "commands", "errors", "instance", "phases", "results", ""},
    "client_commands": {"commands", "domain", "errors", "phases", "results"},
    "cli": {
        "adapters", "cli_infra", "cli_tokens", "client_commands", "command_alerts", "commands",
        "configuration", "domain", "drift_commands", "errors", "history_commands", "refresh_commands",
        "results", "serving_commands", "",
    },
    "__main__": {"cli"},
    "": set(),
}  # fmt: skip
"""One way only: definitions → assets, resources → phases → adapters → lockfiles, domain → errors."""

KNOW_DAGSTER = {
    "alerting", "definitions", "automation", "staleness", "resources", "recovery", "refresh", "instance",
    "assets", "triggers",
}  # fmt: skip
PURE = {"domain", "lockfiles", "cloud_settings", "config_values", "settings", "errors"}
HTTP = {
    "aiohttp", "boto3", "botocore", "granian", "http", "httptools", "httpx", "obstore", "pycurl", "requests",
    "socketserver", "starlette", "urllib.request", "urllib3", "uvicorn", "uvloop",
}  # fmt: skip
IO_MODULES = HTTP | {
    "fcntl", "glob", "multiprocessing", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time",
}  # fmt: skip
IO_CALLS = {
    "open", "print", "input", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink",
    "rmdir", "iterdir", "rglob", "touch", "symlink_to", "is_file", "is_dir", "stat", "resolve", "absolute",
    "cwd", "home", "getenv", "urlopen",
}  # fmt: skip

PUTS_A_LIBRARY_IN_ITS_PLACE = ["domain.poetry_core imports sys"]
"""poetry-core changes ``sys.path`` when it is imported, and that is undone there."""

READ_THE_ENVIRONMENT = {"cli", "definitions"}
HAND_THE_ENVIRONMENT_ON = {"adapters.pip_config", "adapters.installer"}
"""They start programs, which get this process's environment; they take no setting from it."""

MOST_LINES = 300
MEDIAN_FUNCTION, NINETIETH_FUNCTION = 8, 35


@dataclass(frozen=True)
class Source:
    """A module's name below the package (``adapters.files``; '' is the package itself) and its text."""

    name: str
    text: str

    @property
    def layer(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = tuple(Source(_name_of(path), path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py")))


def imported(source: Source) -> Iterator[str]:
    """Every module that is imported, also inside functions; ``from a import b`` counts as ``a.b``."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.name}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def foreign(source: Source, modules: set[str]) -> set[str]:
    """Those of ``modules`` that a source imports, or imports from."""
    return {
        module
        for module in modules
        for name in imported(source)
        if name == module or name.startswith(f"{module}.")
    }


def own(source: Source, names: set[str]) -> set[str]:
    """The package's own modules (of ``names``) that a source imports."""
    found = set()
    for name in imported(source):
        inner = name.removeprefix(PACKAGE).removeprefix(".")
        if name.split(".")[0] == PACKAGE:
            candidates = (inner, inner.rpartition(".")[0])
            found.add(next(candidate for candidate in candidates if candidate in names))
    return found


def against_the_layers(sources: Sequence[Source]) -> list[str]:
    """Imports that the table does not allow."""
    names = {source.name for source in sources}
    return [
        f"{source.name} imports {name}"
        for source in sources
        for name in sorted(own(source, names))
        if name.partition(".")[0] not in {*MAY_IMPORT[source.layer], source.layer}
    ]


def cycle(sources: Sequence[Source]) -> list[str]:
    """Modules that import each other in a circle."""
    names = {source.name for source in sources}
    try:
        TopologicalSorter({source.name: own(source, names) for source in sources}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def foreign_outside(sources: Sequence[Source], modules: set[str], layers: set[str]) -> list[str]:
    """Imports of ``modules`` anywhere but in ``layers``."""
    return [
        f"{source.name} imports {name}"
        for source in sources
        if source.layer not in layers
        for name in sorted(foreign(source, modules))
    ]


def io_in(sources: Sequence[Source]) -> list[str]:
    """Modules and calls by which a pure module would touch the world."""
    calls = [
        f"{source.name}:{node.lineno} calls {_called(node)}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and _called(node) in IO_CALLS
    ]
    return [*foreign_outside(sources, IO_MODULES, set()), *calls]


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def reads_environment(source: Source) -> bool:
    """``os.environ`` or ``os.getenv``, however they are imported."""
    named = {"environ", "environb", "getenv"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in named and _is_os(node.value))
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and named & {a.name for a in node.names})
        for node in ast.walk(source.tree)
    )


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


def function_lengths(sources: Sequence[Source]) -> list[int]:
    """Lines of every function."""
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def undocumented(source: Source) -> list[str]:
    """Public functions, classes and methods without a docstring, and the module itself."""
    found = [f"{source.name}.{node.name}" for node in _public(source.tree) if not ast.get_docstring(node)]
    empty = not source.text.strip()
    return found if empty or ast.get_docstring(source.tree) else [source.name, *found]


def _public(
    scope: ast.Module | ast.ClassDef,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in scope.body:
        if isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def test_there_is_something_to_judge() -> None:
    assert {source.layer for source in SOURCES} == set(MAY_IMPORT)
    assert len(SOURCES) > 40


def test_imports_run_one_way() -> None:
    assert against_the_layers(SOURCES) == []


def test_imports_have_no_cycle() -> None:
    assert cycle(SOURCES) == []


def test_only_some_modules_know_dagster() -> None:
    dagster = {"dagster", "dagster_aws", "dagster_graphql", "dagster_shared"}
    assert foreign_outside(SOURCES, dagster, KNOW_DAGSTER) == []


def test_only_adapters_speak_http() -> None:
    assert foreign_outside(SOURCES, HTTP, {"adapters"}) == []
    assert any(foreign(source, HTTP) for source in SOURCES)


def test_pure_modules_do_no_io() -> None:
    assert io_in([source for source in SOURCES if source.layer in PURE]) == PUTS_A_LIBRARY_IN_ITS_PLACE


def test_the_environment_is_read_in_two_places() -> None:
    found = {source.name for source in SOURCES if reads_environment(source)}
    assert found == READ_THE_ENVIRONMENT | HAND_THE_ENVIRONMENT_ON


def test_functions_keep_to_their_budget() -> None:
    lengths = function_lengths(SOURCES)
    assert median(lengths) <= MEDIAN_FUNCTION
    assert quantiles(lengths, n=10)[-1] <= NINETIETH_FUNCTION


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name or PACKAGE)
def test_modules_are_short_and_documented(source: Source) -> None:
    assert len(source.text.splitlines()) <= MOST_LINES
    assert undocumented(source) == []


def test_a_wrong_import_is_seen() -> None:
    upwards = Source("domain.lock", "def f():\n    from mirror_pipeline.adapters import files\n")
    below = Source("adapters.files", "")
    assert against_the_layers([upwards, below]) == ["domain.lock imports adapters.files"]


def test_a_circle_is_seen() -> None:
    one = Source("domain.one", "from mirror_pipeline.domain.two import x\n")
    two = Source("domain.two", "import mirror_pipeline.domain.one\n")
    assert set(cycle([one, two])) == {"domain.one", "domain.two"}


@pytest.mark.parametrize(
    "text",
    ["import dagster as dg", "from dagster import asset", "def f():\n    from dagster._core import x"],
)
def test_dagster_is_seen(text: str) -> None:
    assert foreign_outside([Source("domain.lock", text)], {"dagster"}, KNOW_DAGSTER) == [
        "domain.lock imports dagster"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess",
        "from urllib.request import urlopen",
        "from urllib import request",
        "import http.client",
        "x = open('x')",
        "from pathlib import Path\nPath('x').write_text('y')",
    ],
)
def test_io_is_seen(text: str) -> None:
    assert len(io_in([Source("domain.lock", text)])) == 1


@pytest.mark.parametrize(
    "text", ["import os\nos.environ", "import os\nos.getenv('x')", "from os import environ"]
)
def test_reading_the_environment_is_seen(text: str) -> None:
    assert reads_environment(Source("domain.lock", text))
    assert not reads_environment(Source("domain.lock", "import os\nos.path.normpath('x')"))


def test_a_missing_docstring_is_seen() -> None:
    text = "class A:\n    '''A.'''\n    def b(self): ...\n    def _c(self): ...\n"
    assert undocumented(Source("x", text)) == ["x", "x.b"]
