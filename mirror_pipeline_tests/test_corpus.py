"""Real locks, and what official exporters took from them: read from the folder that TEST_CORPUS names.

``locks/<name>/`` are projects as they were committed, ``expected.json.gz`` the registry pins that an exporter
found per target, ``malformed/`` locks that were spoiled in one way each. Where the variable is not set there
is nothing to read: the module is skipped, saying so, which CI allows.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.reach import graph_of, pins_for_target, reachable, satisfies
from mirror_pipeline.domain.target import PLATFORMS, Python, Target, known_pythons, targets_of
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.project_files import ProjectFiles

_FOLDER = os.environ.get("TEST_CORPUS", "")
if not _FOLDER:
    pytest.skip(
        "TEST_CORPUS is not set: real locks are not compared with what exporters took from them",
        allow_module_level=True,
    )

CORPUS = Path(_FOLDER)

PLATFORM_OF = {
    "linux-x86_64": "linux-x86_64",
    "linux-aarch64": "linux-aarch64",
    "macos-arm64": "macos-arm64",
    "windows-amd64": "windows-amd64",
    "windows-x86_64": "windows-amd64",
}
LOCK_NAME = re.compile(r"(poetry|uv|pdm|Pipfile)\.lock|pylock.*\.toml|requirements.*\.txt")

# A format from before 1.0: hashes without file names, no version of the format.
TOO_OLD = {"python-poetry__poetry@2018-11/poetry.lock", "python-poetry__poetry@2020-01/poetry.lock"}
# Committed in the middle of a merge.
BROKEN = {"All-Hands-AI__OpenHands@2025-11-CONFLICT/poetry.lock"}
# The exporter does not follow extras of optional dependencies: ``uvicorn[standard]`` in the extra
# ``server`` wants uvloop, ``transformers[sentencepiece]`` in ``ct2`` wants sentencepiece. An installer
# takes both.
LEFT_OUT_BY_THE_EXPORTER = {
    ("michaelfeil__infinity@head/poetry.lock", "all"): {"sentencepiece", "uvloop"},
}
ACCEPTED_WITH_A_WARNING = {"lockver29__poetry.lock"}
ACCEPTED = {"crlf__poetry.lock"}

# Markers do not see the C library: musl has the environments of glibc.
ENVIRONMENTS = [
    variables
    for target in targets_of([name for name in PLATFORMS if "musl" not in name], known_pythons())
    for variables in target.environments
]


def lock_paths() -> Iterator[str]:
    for path in sorted(CORPUS.glob("locks/*/*")):
        if LOCK_NAME.fullmatch(path.name):
            yield path.relative_to(CORPUS / "locks").as_posix()


LOCKS = tuple(lock_paths())
POETRY = tuple(key for key in LOCKS if key.endswith("/poetry.lock"))
READABLE = tuple(key for key in POETRY if key not in TOO_OLD | BROKEN)
OTHER_FORMATS = tuple(key for key in LOCKS if key not in POETRY)
MALFORMED = tuple(sorted(path.name for path in CORPUS.glob("malformed/*poetry.lock")))
EXPECTED: dict[str, dict[str, Any]] = json.loads(gzip.decompress((CORPUS / "expected.json.gz").read_bytes()))
SELECTIONS = tuple((key, name) for key in READABLE for name in EXPECTED.get(key, ()))


@lru_cache(maxsize=1)
def read(key: str) -> Lock:
    folder, _, name = key.rpartition("/")
    files = {path.name: path.read_bytes() for path in (CORPUS / "locks" / folder).iterdir()}
    return read_lock(ProjectFiles(folder, folder, name, files))


def selection(lock: Lock, name: str) -> Selection:
    return everything(lock) if name == "all" else Selection()


def parse_target(key: str) -> Target:
    """``py3.12-linux-x86_64`` as the exporters' results name targets."""
    python, _, platform = key.removeprefix("py").partition("-")
    return Target(PLATFORMS[PLATFORM_OF[platform]], Python.parse(python))


def test_the_corpus_is_there() -> None:
    assert len(SELECTIONS) >= 20
    assert len(OTHER_FORMATS) >= 20
    assert len(MALFORMED) >= 5
    assert {key for key, _ in SELECTIONS} == {key for key in EXPECTED if key in READABLE}


@pytest.mark.parametrize(("key", "name"), SELECTIONS)
def test_every_target_takes_the_pins_that_the_exporter_took(key: str, name: str) -> None:
    lock = read(key)
    graph, chosen = graph_of(lock), selection(lock, name)
    left_out = LEFT_OUT_BY_THE_EXPORTER.get((key, name), set())
    missed: set[str] = set()
    for target, expected in EXPECTED[key][name]["targets"].items():
        pins = pins_for_target(graph, chosen, parse_target(target))
        found = {pin.label for pin in pins if pin.source.kind == "registry"}
        assert set(expected) <= found, target
        assert {label.partition("==")[0] for label in found - set(expected)} <= left_out, target
        missed |= {label.partition("==")[0] for label in found - set(expected)}
    assert missed == left_out


@pytest.mark.parametrize("key", READABLE)
def test_conditions_hold_exactly_where_a_pin_is_reachable(key: str) -> None:
    lock = read(key)
    graph = graph_of(lock)
    for name in ("prod", "all"):
        conditions = pin_conditions(lock, selection(lock, name))
        for variables in ENVIRONMENTS:
            holds = {
                pin for pin, marker in conditions.items() if marker is None or satisfies(marker, variables)
            }
            assert holds == reachable(graph, selection(lock, name), variables), variables


@pytest.mark.parametrize("key", sorted(TOO_OLD & set(POETRY)))
def test_locks_from_before_version_1_1_are_refused(key: str) -> None:
    with pytest.raises(LockError, match=r"lock-version: missing: locks older than 1\.1 are not read"):
        read(key)


@pytest.mark.parametrize("key", sorted(BROKEN & set(POETRY)))
def test_a_lock_with_a_merge_conflict_is_refused_with_the_line(key: str) -> None:
    with pytest.raises(LockError, match="merge-conflict marker") as caught:
        read(key)
    lines = (CORPUS / "locks" / key).read_text().splitlines()
    assert lines[int(str(caught.value.facts["line"])) - 1].startswith("<<<<<<<")


@pytest.mark.parametrize("key", OTHER_FORMATS)
def test_other_formats_are_not_read_yet(key: str) -> None:
    with pytest.raises(LockError) as caught:
        read(key)
    assert caught.value.facts["lock"] == key
    assert key in str(caught.value)


@pytest.mark.parametrize("name", MALFORMED)
def test_a_spoiled_lock_is_refused_or_harmless(name: str) -> None:
    project = ProjectFiles("x", "x", name, {name: (CORPUS / "malformed" / name).read_bytes()})
    refusal = None
    try:
        lock = read_lock(project)
    except LockError as error:
        refusal = error
    if name in ACCEPTED | ACCEPTED_WITH_A_WARNING:
        assert refusal is None
        assert len(lock.pins) > 0
        assert bool(lock.warnings) == (name in ACCEPTED_WITH_A_WARNING)
    else:
        assert refusal is not None
        assert refusal.facts["lock"] == f"x/{name}"
