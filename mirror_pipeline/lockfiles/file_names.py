"""Whose file it is, as a file's name tells: compared with the pin that a lock lists it for.

Wheels say it unmistakably (PEP 427), so one of another project is refused: no installer would take it, and a
merge gone wrong would pass for a lock. Sdists from before PEP 625 are named as their authors liked; what
looks foreign there may be right, and is only told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from mirror_pipeline.domain.artifact import wheel_tags
from mirror_pipeline.lockfiles.table import Table

_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")

Strange = tuple[str, str]
"""A file's name, and the ``name==version`` that it is listed for."""


def strange_names(
    files: Sequence[str], name: NormalizedName, version: Version | None, table: Table, key: str
) -> Iterator[Strange]:
    """Files that do not look like the pin's; a wheel of another project is refused. None fits any version."""
    label = name if version is None else f"{name}=={version}"
    for file in files:
        if wheel_tags(file) is not None:
            _refuse_another_project(file, name, label, table, key)
            if version is not None and not _is_or_builds_on(file.split("-")[1], version):
                yield file, label
        elif file.endswith(_SDISTS) and not any(True for _ in versions_in(file, name)):
            yield file, label


def told(strange: Sequence[Strange], lock: str) -> tuple[str, ...]:
    """One warning about all such files of a lock, none where there are none."""
    if not strange:
        return ()
    file, label = strange[0]
    more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
    return (f"{lock}: files that are not named like the pins they are listed for: {file} for {label}{more}",)


def is_of_version(file: str, name: NormalizedName, version: Version) -> bool:
    """Whether a wheel's or an sdist's name says that it is of this version."""
    if wheel_tags(file) is not None:
        return _is(file.split("-")[1], version)
    return any(_is(text, version) for text in versions_in(file, name))


def versions_in(file: str, name: NormalizedName) -> Iterator[str]:
    """What may be the version in the name of an sdist of a project; nothing where it is another's.

    Sdists from before PEP 625 keep their author's spelling: 1.0-2 for 1.0.post2, 2020.01 for 2020.1.
    """
    ending = next((ending for ending in _SDISTS if file.endswith(ending)), "")
    parts = file.removesuffix(ending).split("-")
    for end in range(1, len(parts)):
        if canonicalize_name("-".join(parts[:end])) == name:
            yield "-".join(parts[end:])


def _refuse_another_project(file: str, name: NormalizedName, label: str, table: Table, key: str) -> None:
    project = canonicalize_name(file.split("-")[0])
    if project != name:
        raise table.error(
            key,
            f"{file} is a wheel of {project}, listed for {label} (a merge gone wrong?)",
            file=file,
            package=label,
        )


def _is(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except InvalidVersion:
        return False


def _is_or_builds_on(text: str, version: Version) -> bool:
    """Whether it is the version or, as ``==`` has it, a local build of it: 0.1.1+cu123 for 0.1.1."""
    return _is(text, version) or (version.local is None and _is(text.partition("+")[0], version))
