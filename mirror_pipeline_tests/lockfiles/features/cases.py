"""The table of ``docs/lock-files.md`` as tests: for every cell that is not ``—`` its word and its check.

``CASES`` has them by row and column. A check takes the version of the format, so that a cell is shown for
each version that its column stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests import pdm_locks
from mirror_pipeline_tests.lockfiles.features import checks, own_refusals, own_selection
from mirror_pipeline_tests.lockfiles.features.scenes import Scene
from mirror_pipeline_tests.lockfiles.features.writers import (
    COLUMNS,
    GRAPH_POETRY,
    OLD_PDM,
    OLD_POETRY,
    PDM,
    PIPFILE,
    POETRY,
    PYLOCK,
    REQUIREMENTS,
    UV,
    Column,
)

Check = Callable[[str], None]


@dataclass(frozen=True)
class Case:
    """A cell: the word in it, and the check for each of these versions."""

    word: str
    check: Check
    versions: tuple[str, ...]


CASES: dict[tuple[str, str], Case] = {}

NAMING = (GRAPH_POETRY, POETRY, UV, OLD_PDM, PDM, PYLOCK)
"""Formats that tell the names of files in every version."""
POETRIES = (OLD_POETRY, GRAPH_POETRY, POETRY)


def add(row: str, column: Column, check: Check, word: str = "yes", versions: Iterable[str] = ()) -> None:
    """Register a cell, for all versions of its column unless some are named."""
    assert (row, column.name) not in CASES
    CASES[row, column.name] = Case(word, check, tuple(versions) or column.versions)


def each(
    row: str,
    columns: Iterable[Column],
    check: Callable[..., None],
    *args: object,
    word: str = "yes",
) -> None:
    """Register the same check, which takes a writer and these arguments, for several columns."""
    for column in columns:
        add(row, column, _written(column, check, *args), word)


def _written(column: Column, check: Callable[..., None], *args: object) -> Check:
    return lambda version: check(partial(_write, column, version), *args)


def _write(column: Column, version: str, scene: Scene) -> ProjectFiles:
    return column.write(scene, version)


# What is read
each("told by content", COLUMNS, checks.told_by_content)
_ROW = "without pyproject.toml"
each(_ROW, [OLD_POETRY, GRAPH_POETRY], checks.needs_pyproject, word="refused")
each(_ROW, [POETRY, UV, PYLOCK, PIPFILE, REQUIREMENTS], checks.without_pyproject)
add(_ROW, OLD_PDM, own_selection.pdm_without_pyproject, "2")
add(_ROW, PDM, own_selection.pdm_without_pyproject, "4.4.1+")

# What is selected
_ROW = "`prod` and `all`"
each(_ROW, (*POETRIES, UV, OLD_PDM, PDM, PYLOCK), checks.prod_and_all, "dev", "speed")
each(_ROW, [PIPFILE], checks.prod_and_all, "develop", "")
each(_ROW, [REQUIREMENTS], checks.prod_and_all, "dev", "")

_ROW = "named groups"
each(_ROW, [OLD_POETRY], checks.named_groups, "dev", word="`dev`")
each(_ROW, [GRAPH_POETRY, POETRY, UV, OLD_PDM, PDM, PYLOCK], checks.named_groups, "dev", "docs")
each(_ROW, [PIPFILE], checks.named_groups, "develop", "docs")
each(_ROW, [REQUIREMENTS], checks.named_groups, "dev", word="`dev`")

each("named extras", (*POETRIES, UV, OLD_PDM, PDM, PYLOCK), checks.named_extras)
add("groups by file", REQUIREMENTS, own_selection.group_by_file)

_ROW = "extras that exclude each other"
add(_ROW, POETRY, own_selection.conflicts_by_marker_in_poetry, "by marker")
add(_ROW, UV, own_selection.conflicts_by_list)
add(_ROW, PYLOCK, own_selection.conflicts_by_marker_in_pylock, "by marker")

_ROW = "extras of packages"
for _column in (OLD_POETRY, GRAPH_POETRY):
    add(_ROW, _column, own_selection.extras_of_packages_in_poetry)
add(_ROW, UV, own_selection.extras_of_packages_in_uv)
for _column in (OLD_PDM, PDM):
    add(_ROW, _column, own_selection.extras_of_packages_in_pdm)

add("workspaces", UV, own_selection.workspace)
each("markers per target", COLUMNS, checks.markers_per_target)
each(
    "two versions of a project by marker",
    (*POETRIES, UV, OLD_PDM, PDM, PYLOCK, REQUIREMENTS),
    checks.two_versions,
)
each("requires-python", [*POETRIES, UV, PYLOCK, PIPFILE], checks.requires_python)
each("requires-python", [OLD_PDM], checks.requires_python, word="pyproject")
each("requires-python", [PDM], checks.requires_python)
each("supported environments", [UV, PYLOCK], checks.supported_environments)
add("supported environments", PDM, _written(PDM, checks.supported_environments), "4.5", ["4.5.0"])

# Where files come from
_ROW = "names of files"
add(_ROW, OLD_POETRY, _written(OLD_POETRY, checks.files_by_name), "1.0", ["1.0"])
each(_ROW, NAMING, checks.files_by_name)
_ROW = "files joined by hash"
add(_ROW, OLD_POETRY, _written(OLD_POETRY, checks.files_by_hash), "0.x", ["0.x"])
each(_ROW, [PIPFILE, REQUIREMENTS], checks.files_by_hash)

each("sizes of files", [UV, PYLOCK], checks.sizes)
each("URLs of files", [UV, PYLOCK], checks.urls)
for _column, _versions in ((OLD_PDM, ("4.2", "4.3")), (PDM, PDM.versions)):
    add(
        "URLs of files",
        _column,
        lambda version: checks.urls(lambda _: own_refusals.static_urls(version)),
        "`static_urls`",
        _versions,
    )

_ROW = "an index per pin"
each(_ROW, [*POETRIES, UV, PYLOCK, PIPFILE], checks.index_per_pin)
add(_ROW, REQUIREMENTS, own_selection.index_of_a_set, "per set")

_ROW = "wheel at a URL: mirrored"
add(_ROW, OLD_POETRY, _written(OLD_POETRY, checks.wheel_at_url), "1.0", ["1.0"])
each(_ROW, (*NAMING, PIPFILE, REQUIREMENTS), checks.wheel_at_url)

_ROW = "git, path, directory, editable: outside"
each(_ROW, POETRIES, checks.outside, ["git", "path", "directory"])
each(
    _ROW,
    [UV, OLD_PDM, PDM, PYLOCK, PIPFILE, REQUIREMENTS],
    checks.outside,
    ["git", "path", "directory", "editable"],
)
each("sdists where wanted", COLUMNS, checks.sdists)

# What is refused, and what is not
_ROW = "without hashes"
for _column in POETRIES:
    add(_ROW, _column, own_refusals.unhashed_in_poetry, "refused")
add(_ROW, PYLOCK, partial(own_refusals.unhashed_is_refused, PYLOCK), "refused")
for _column in (UV, OLD_PDM, PDM):
    add(_ROW, _column, partial(own_refusals.unhashed_in_toml, _column), "opt-in")
for _column in (PIPFILE, REQUIREMENTS):
    add(_ROW, _column, partial(own_refusals.unhashed_line, _column), "opt-in")

_KEYS = {
    POETRY: ("lock-version", '"2.9"', ['"0.9"', '"3.0"']),
    GRAPH_POETRY: ("lock-version", "", ['"0.9"', '"3.0"']),
    UV: ("revision", "99", []),
    OLD_PDM: ("lock_version", "", ['"1"']),
    PDM: ("lock_version", '"4.9"', ['"5.0"']),
    PYLOCK: ("lock-version", '"1.9"', ['"0.9"', '"2.0"']),
}
for _column, (_key, _newer, _unknown) in _KEYS.items():
    if _newer:
        _versions = ("3",) if _column is UV else ()
        add(
            "newer minor version: a warning",
            _column,
            partial(own_refusals.newer, _column, _key, _newer),
            "yes",
            _versions,
        )
    if _unknown:
        add("unknown version: refused", _column, partial(own_refusals.unknown, _column, _key, _unknown))
add("unknown version: refused", UV, partial(own_refusals.unknown, UV, "version", ["2", "0"]))
add("unknown version: refused", PIPFILE, own_refusals.unknown_pipfile_spec)

each("cut short within an entry: refused", COLUMNS, checks.cut_within_an_entry)
_ROW = "cut short between entries: refused"
each(_ROW, (*POETRIES, OLD_PDM), checks.cut_between_entries, "[[package]]")
each(_ROW, [PDM], checks.cut_between_entries, "[[package]]", word="if missed")
add(_ROW, UV, own_refusals.cut_uv_between_entries, "if missed")
each(_ROW, [PYLOCK], checks.cut_between_entries, "[[packages]]", word="if missed")
each(_ROW, [PIPFILE], checks.cut_between_entries, '"beta"')

_ROW = "the same package twice: refused"
each(_ROW, (*POETRIES, UV, OLD_PDM, PDM, PYLOCK), checks.same_twice)
add(_ROW, PIPFILE, own_refusals.key_twice)
add(_ROW, REQUIREMENTS, own_refusals.two_versions_in_requirements, "two versions")

_ROW = "unsafe file name: refused"
add(_ROW, OLD_POETRY, _written(OLD_POETRY, checks.unsafe_name), "1.0", ["1.0"])
each(_ROW, NAMING, checks.unsafe_name)
each(_ROW, [PIPFILE, REQUIREMENTS], checks.unsafe_name_at_url, word="in a URL")

_ROW = "wheel of another project: refused"
add(_ROW, OLD_POETRY, _written(OLD_POETRY, checks.foreign_wheel), "1.0", ["1.0"])
each(_ROW, [GRAPH_POETRY, POETRY, UV, PYLOCK], checks.foreign_wheel)
each(_ROW, [OLD_PDM, PDM], checks.foreign_wheel_is_not_noticed, word="no")

_ROW = "file of another version: a warning"
add(_ROW, GRAPH_POETRY, _written(GRAPH_POETRY, checks.file_of_another_version), "2.0", ["2.0"])
each(_ROW, [POETRY, UV, PYLOCK], checks.file_of_another_version)
each(_ROW, [OLD_PDM, PDM], checks.file_of_another_version_is_not_noticed, word="no")

each("byte order mark, CRLF: accepted", COLUMNS, checks.mark_and_line_ends)
each("merge conflict, LFS pointer, web page: refused", COLUMNS, checks.what_is_no_lock)

assert (*OLD_PDM.versions, *PDM.versions) == pdm_locks.VERSIONS
