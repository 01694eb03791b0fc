"""Rows about files and refusals that formats have each in a way of its own: in words that no other has."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import tomli
import tomli_w

from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests import pdm_locks
from mirror_pipeline_tests.lockfiles.features.checks import (
    cut_between_entries,
    newer_minor,
    unhashed_by_opt_in,
)
from mirror_pipeline_tests.lockfiles.features.reading import edited, planned, refused
from mirror_pipeline_tests.lockfiles.features.scenes import Item, Scene
from mirror_pipeline_tests.lockfiles.features.writers import (
    Column,
    pdm_with,
    pipfile,
    poetry,
    requirement_sets,
    uv,
)
from mirror_pipeline_tests.locks import digest_of


def static_urls(version: str) -> ProjectFiles:
    """A pdm.lock made with URLs in place of file names."""
    strategy = ("static_urls", *(("inherit_metadata",) if version in pdm_locks.LISTED else ()))
    return pdm_with(Scene(), version, strategy)


def hashes_removed(project: ProjectFiles) -> ProjectFiles:
    """A lock in TOML whose files are as they were, but for their hashes."""

    def cut(value: object) -> object:
        if isinstance(value, dict):
            return {key: cut(inner) for key, inner in value.items() if key not in ("hash", "hashes")}
        return [cut(inner) for inner in value] if isinstance(value, list) else value

    return edited(project, lambda text: tomli_w.dumps(cut(tomli.loads(text))))  # type: ignore[arg-type]


def unhashed_in_poetry(version: str) -> None:
    """A file without its hash is refused; a package without any file or digest is a gap."""
    lock = read_lock(poetry(Scene((Item("alpha", files=()),)), version))
    (gap,) = {gap for _, gap in planned(lock).gaps}
    assert (gap.project, gap.reason) == ("alpha", "the lock lists no files for it")
    project = poetry(Scene(), version)
    if version == "0.x":
        digest = digest_of("alpha-1.0-py3-none-any.whl")
        refused(edited(project, lambda text: text.replace(digest, "")), "expected sha256")
    else:
        refused(hashes_removed(project), "hash: missing")


def unhashed_is_refused(column: Column, version: str) -> None:
    """A file entry without its hash is wrong by the format's own rules."""
    refused(hashes_removed(column.write(Scene(), version)), "hash: missing", "has no hash")


def unhashed_in_toml(column: Column, version: str) -> None:
    """Files whose hashes are left to the index."""
    unhashed_by_opt_in(hashes_removed(column.write(Scene(), version)))


def unhashed_line(column: Column, version: str) -> None:
    """An entry, or a line, that tells no hash."""
    unhashed_by_opt_in(column.write(Scene((Item("alpha", files=()),)), version))


def with_version(project: ProjectFiles, key: str, number: str) -> ProjectFiles:
    """The lock, saying that it is of another version of its format."""
    return edited(
        project, lambda text: re.sub(rf"^{key} = .*$", f"{key} = {number}", text, count=1, flags=re.M)
    )


def newer(column: Column, key: str, number: str, version: str) -> None:
    """A version that adds something to the one known."""
    newer_minor(with_version(column.write(Scene(), version), key, number))


def unknown(column: Column, key: str, numbers: Sequence[str], version: str) -> None:
    """Versions that nobody can know how to read."""
    for number in numbers:
        project = with_version(column.write(Scene(), version), key, number)
        refused(project, "is not known here", "is not read here", "is older than")


def unknown_pipfile_spec(version: str) -> None:
    """pipenv has numbered its format once for all."""
    project = pipfile(Scene(), version)
    refused(edited(project, lambda text: text.replace('"pipfile-spec": 6', '"pipfile-spec": 7')), "not known")


def key_twice(version: str) -> None:
    """JSON parsers take the last of two, and say nothing."""
    project = pipfile(Scene((Item("alpha"), Item("beta"))), version)
    assert len(json.loads(project.lock_content)["default"]) == 2
    refused(edited(project, lambda text: text.replace('"beta"', '"alpha"')), "'alpha' is given twice")


def two_versions_in_requirements(version: str) -> None:
    """The same line twice does no harm; two versions of a project cannot both be installed."""
    again = requirement_sets(Scene((Item("alpha"), Item("alpha"))), version)
    assert [pin.label for pin in read_lock(again).pins] == ["alpha==1.0"]
    refused(requirement_sets(Scene((Item("alpha"), Item("alpha", "2.0"))), version), "is wanted as 2.0")


def cut_uv_between_entries(version: str) -> None:
    """What is asked for and missing tells that entries are lost."""
    begins = "[[distribution]]" if version == "0" else "[[package]]"
    cut_between_entries(lambda scene: uv(scene, version), begins)
