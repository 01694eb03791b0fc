"""Real locks, and what official exporters took from them: read from the folder that TEST_CORPUS names.

``locks/<name>/`` are projects as they were committed, ``expected.json.gz`` the registry pins that an exporter
found per target, ``malformed/`` locks that were spoiled in one way each. Where the variable is not set there
is nothing to read: the module is skipped, saying so, which CI allows.
"""

from __future__ import annotations

import gzip
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from mirror_pipeline.adapters.projects import load_projects
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.naming import refuse_unhashed
from mirror_pipeline.domain.reach import graph_of, pins_for_target, reachable, satisfies
from mirror_pipeline.domain.target import PLATFORMS, Python, Target, known_pythons, targets_of
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import read_lock

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

# Committed in the middle of a merge.
BROKEN = {"All-Hands-AI__OpenHands@2025-11-CONFLICT/poetry.lock"}
# Exported without hashes.
UNHASHED = {"huggingface__text-generation-inference@head/requirements_cuda.txt"}
# The exporter does not follow extras of optional dependencies: ``uvicorn[standard]`` in the extra
# ``server`` wants uvloop, ``transformers[sentencepiece]`` in ``ct2`` wants sentencepiece. An installer
# takes both.
LEFT_OUT_BY_THE_EXPORTER = {
    ("michaelfeil__infinity@head/poetry.lock", "all"): {"sentencepiece", "uvloop"},
}
# ``pipenv requirements --dev`` knows no custom categories; a selection of all groups does.
CUSTOM_CATEGORIES = {
    "paperless-ngx__paperless-ngx@2024-11/Pipfile.lock": "typing-dev",
    "paperless-ngx__paperless-ngx@2025-04/Pipfile.lock": "typing-dev",
}
ACCEPTED_WITH_A_WARNING = {"lockver29__poetry.lock", "revision99__uv.lock", "v19__pylock.toml"}
ACCEPTED = {"crlf__poetry.lock", "bom__uv.lock"}

# Markers do not see the C library: musl has the environments of glibc.
ENVIRONMENTS = [
    variables
    for target in targets_of([name for name in PLATFORMS if "musl" not in name], known_pythons())
    for variables in target.environments
]


LOCKS = tuple(
    path.relative_to(CORPUS / "locks").as_posix()
    for path in sorted(CORPUS.glob("locks/*/*"))
    if path.name not in ("pyproject.toml", "Pipfile")
)
READABLE = tuple(key for key in LOCKS if key not in BROKEN)
MALFORMED = tuple(sorted(path.name for path in CORPUS.glob("malformed/*")))
EXPECTED: dict[str, dict[str, Any]] = json.loads(gzip.decompress((CORPUS / "expected.json.gz").read_bytes()))
SELECTIONS = tuple((key, name) for key in EXPECTED for name in EXPECTED[key])


@lru_cache(maxsize=1)
def read(key: str) -> Lock:
    (project,) = load_projects([CORPUS / "locks" / key])
    return read_lock(project)


def selection(lock: Lock, name: str) -> Selection:
    return everything(lock) if name == "all" else Selection()


def parse_target(key: str) -> Target:
    """``py3.12-linux-x86_64`` as the exporters' results name targets."""
    python, _, platform = key.removeprefix("py").partition("-")
    return Target(PLATFORMS[PLATFORM_OF[platform]], Python.parse(python))


def beyond_the_exporter(key: str, name: str) -> set[str]:
    """Projects that an exporter leaves out of a selection, though the installer takes them."""
    left_out = set(LEFT_OUT_BY_THE_EXPORTER.get((key, name), ()))
    if name == "all" and key in CUSTOM_CATEGORIES:
        sections = json.loads((CORPUS / "locks" / key).read_text())
        others = {project for section in ("default", "develop") for project in sections[section]}
        left_out |= sections[CUSTOM_CATEGORIES[key]].keys() - others
    return left_out


def test_the_corpus_is_there() -> None:
    assert len(LOCKS) >= 40
    assert len(EXPECTED) >= 25
    assert len(MALFORMED) >= 20
    assert set(EXPECTED) <= set(READABLE)


@pytest.mark.parametrize(("key", "name"), SELECTIONS)
def test_every_target_takes_the_pins_that_the_exporter_took(key: str, name: str) -> None:
    lock = read(key)
    graph, chosen = graph_of(lock), selection(lock, name)
    left_out = beyond_the_exporter(key, name)
    missed: set[str] = set()
    for target, expected in EXPECTED[key][name]["targets"].items():
        pins = pins_for_target(graph, chosen, parse_target(target))
        found = {pin.label for pin in pins if pin.source.kind == "registry"}
        more = {label.partition("==")[0] for label in found - set(expected)}
        assert set(expected) <= found, target
        assert more <= left_out, target
        missed |= more
    assert missed == left_out


@pytest.mark.parametrize("key", READABLE)
def test_every_real_lock_is_read_and_has_hashes_unless_it_was_made_without(key: str) -> None:
    lock = read(key)
    assert len(lock.pins) > 0
    if key in UNHASHED:
        with pytest.raises(LockError, match="no hash is locked"):
            refuse_unhashed(lock, key)
    else:
        refuse_unhashed(lock, key)


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


@pytest.mark.parametrize("key", sorted(BROKEN))
def test_a_lock_with_a_merge_conflict_is_refused_with_the_line(key: str) -> None:
    with pytest.raises(LockError, match="merge-conflict marker") as caught:
        read(key)
    lines = (CORPUS / "locks" / key).read_text().splitlines()
    assert lines[int(str(caught.value.facts["line"])) - 1].startswith("<<<<<<<")


@pytest.mark.parametrize("name", MALFORMED)
def test_a_spoiled_lock_is_refused_or_harmless(name: str) -> None:
    (project,) = load_projects([CORPUS / "malformed" / name])
    lock, refusal = None, None
    try:
        lock = read_lock(project)
        refuse_unhashed(lock, project.lock_path)
    except LockError as error:
        refusal = error
    if name in ACCEPTED | ACCEPTED_WITH_A_WARNING:
        assert refusal is None
        assert lock is not None
        assert len(lock.pins) > 0
        assert bool(lock.warnings) == (name in ACCEPTED_WITH_A_WARNING)
    else:
        assert refusal is not None
        assert refusal.facts["lock"] == project.lock_path
        assert "\n" not in str(refusal)
