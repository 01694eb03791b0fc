"""Reading a lock and looking at what came of it: the words in which checks of features are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from mirror_pipeline.domain.coverage import Policy
from mirror_pipeline.domain.lock import Lock, Pin, Selection, everything
from mirror_pipeline.domain.naming import named, needs_names, with_names
from mirror_pipeline.domain.plan import Plan, Wanted, make_plan
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.target import NOARCH, PLATFORMS, Python, Target
from mirror_pipeline.domain.wheelset import UpstreamFile
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests.locks import digest_of

LINUX, WINDOWS = "linux-x86_64", "windows-amd64"


def wanted(lock: Lock, selection: Selection = Selection(), platform: str = LINUX) -> set[str]:  # noqa: B008
    """The pins of one target, as ``name==version``."""
    target = Target(PLATFORMS[platform], Python(12))
    pins = pins_for_target(graph_of(lock), selection, target)
    return {pin.label for pin in pins if pin.source.kind != "virtual"}


def planned(lock: Lock, policy: Policy = Policy()) -> Plan:  # noqa: B008
    """The plan for everything that a lock offers, on Linux and Windows."""
    return make_plan([Wanted(lock, everything(lock), (Python(12),))], (LINUX, WINDOWS, NOARCH), policy)


def files_in(plan: Plan) -> set[str]:
    """The files that a plan is to fetch."""
    return {artifact.file for artifact in plan.artifacts}


def asked_upstream(lock: Lock, names: Iterable[str]) -> Lock:
    """The lock with the file names that an upstream knows, which lists these files."""
    listing = [
        (None, [UpstreamFile(name, f"https://files.example/{name}", digest_of(name)) for name in names])
    ]
    answers = {pin: named(pin, listing).answer for pin in lock.pins if needs_names(pin)}
    return with_names(lock, answers)


def pin_of(lock: Lock, name: str) -> Pin:
    """The one pin of a name."""
    (found,) = (pin for pin in lock.pins if pin.name == name)
    return found


def refused(project: ProjectFiles, *words: str) -> None:
    """The lock is refused in one line that names the file and has one of the words in it."""
    with pytest.raises(LockError) as caught:
        read_lock(project)
    message = str(caught.value)
    assert project.folder in message
    assert "\n" not in message
    assert any(word in message for word in words), message


def edited(project: ProjectFiles, change: Callable[[str], str]) -> ProjectFiles:
    """The project with another text as its lock; a change has to change something."""
    text = project.lock_content.decode()
    changed = change(text)
    assert changed != text
    return replace(project, files={**project.files, project.lock_name: changed.encode()})


def alone(project: ProjectFiles) -> ProjectFiles:
    """The project without its pyproject.toml."""
    files = {name: text for name, text in project.files.items() if name != "pyproject.toml"}
    return replace(project, files=files)
