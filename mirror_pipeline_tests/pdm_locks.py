"""pdm.lock made from Python values: what pdm of each time would write, cut to what matters.

``pdm_lock([locked("demo", files={...})], version="4.2")`` is the text of a lock; each package is written as
that lock_version has it, with the strategies that were the default then unless ``strategy`` says others.
``pdm_pyproject`` is the pyproject.toml beside it, and ``pdm_files`` makes of both what the readers take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tomli_w
from packaging.version import Version

from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests.locks import digest_of, wheel_name

VERSIONS = ("2", "3.1", "4.2", "4.3", "4.4", "4.4.1", "4.5.0")
LISTED = ("2", "4.4.1", "4.5.0")
"""Versions that record groups and markers for each package."""
WALKED = tuple(version for version in VERSIONS if version not in LISTED)

FILES_AT = "https://files.example/packages/ab/cd"


@dataclass(frozen=True)
class Locked:
    """One ``[[package]]`` with everything that some version says of it."""

    name: str
    version: str
    files: Mapping[str, str]
    extras: Sequence[str] = ()
    dependencies: Sequence[str] = ()
    groups: Sequence[str] = ("default",)
    marker: str = ""
    requires_python: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)


def locked(
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str] | None = None,
    extras: Sequence[str] = (),
    dependencies: Sequence[str] = (),
    groups: Sequence[str] = ("default",),
    marker: str = "",
    requires_python: str = "",
    source: Mapping[str, Any] | None = None,
) -> Locked:
    """A locked package. ``files`` maps names to SHA-256; left out, it is one pure wheel."""
    if files is None:
        wheel = wheel_name(name, version)
        files = {wheel: digest_of(wheel)}
    return Locked(
        name, version, files, extras, dependencies, groups, marker, requires_python, dict(source or {})
    )


def pdm_document(
    packages: Sequence[Locked],
    *,
    version: str = "4.5.0",
    strategy: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    targets: Sequence[Mapping[str, Any]] = ({"requires_python": ">=3.10"},),
) -> dict[str, Any]:
    """What a pdm.lock parses to.

    ``groups`` are those that it was made for, all that packages name where None.
    """
    chosen = _default_strategy(version) if strategy is None else strategy
    metadata: dict[str, Any] = {"lock_version": version, "content_hash": f"sha256:{digest_of('')}"}
    if Version(version) >= Version("4.2"):
        every = dict.fromkeys(("default", *(group for item in packages for group in item.groups)))
        metadata["groups"] = list(every if groups is None else groups)
    if Version(version) >= Version("4.4"):
        metadata["strategy"] = list(chosen)
    elif version == "4.3":
        metadata.update(cross_platform=True, static_urls="static_urls" in chosen)
    if Version(version) >= Version("4.5"):
        metadata["targets"] = [dict(target) for target in targets]
    written = [_written(item, version, chosen) for item in packages]
    if Version(version) >= Version("4.3"):
        return {"metadata": metadata, "package": written}
    metadata["files"] = _shared(packages, version)
    return {"package": written, "metadata": metadata}


def pdm_lock(packages: Sequence[Locked], **options: Any) -> str:
    """The text of a pdm.lock; options are those of ``pdm_document``."""
    return tomli_w.dumps(pdm_document(packages, **options))


def _default_strategy(version: str) -> Sequence[str]:
    return {
        "4.2": ("static_urls",),
        "4.4": ("cross_platform",),
        "4.4.1": ("cross_platform", "inherit_metadata"),
        "4.5.0": ("inherit_metadata",),
    }.get(version, ())


def _written(item: Locked, version: str, strategy: Sequence[str]) -> Mapping[str, Any]:
    table: dict[str, Any] = {"name": item.name, "version": item.version, "summary": "", **item.source}
    for key, value in (
        ("extras", list(item.extras)),
        ("requires_python", "" if version == "2" else item.requires_python),
        ("dependencies", list(item.dependencies)),
    ):
        if value:
            table[key] = value
    if version == "2" or "inherit_metadata" in strategy:
        table["sections" if version == "2" else "groups"] = list(item.groups)
        if item.marker:
            table["marker"] = item.marker
    if Version(version) >= Version("4.3") and item.files:
        table["files"] = _files(item, strategy)
    return table


def _files(item: Locked, strategy: Sequence[str]) -> list[Mapping[str, str]]:
    static = "static_urls" in strategy
    return [
        {"url": f"{FILES_AT}/{name}", "hash": f"sha256:{digest}"}
        if static
        else {"file": name, "hash": f"sha256:{digest}"}
        for name, digest in item.files.items()
    ]


def _shared(packages: Sequence[Locked], version: str) -> Mapping[str, Any]:
    """``[metadata.files]``; in version 2 entries with extras have a list of their own."""
    shared: dict[str, Any] = {}
    for item in packages:
        extras = f"[{','.join(item.extras)}]" if item.extras and version == "2" else ""
        if item.files:
            shared[f"{item.name}{extras} {item.version}"] = _files(item, _default_strategy(version))
    return shared


def pdm_pyproject(
    name: str = "shop",
    *,
    dependencies: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str | Mapping[str, str]]] | None = None,
    dev_dependencies: Mapping[str, Sequence[str | Mapping[str, str]]] | None = None,
    excludes: Sequence[str] = (),
    requires_python: str = ">=3.10",
) -> str:
    """A pyproject.toml: ``groups`` are PEP 735's, ``dev_dependencies`` those of ``[tool.pdm]``."""
    in_tool = {group: list(entries) for group, entries in (dev_dependencies or {}).items()}
    document: dict[str, Any] = {
        "project": {
            "name": name,
            "version": "1.0",
            "requires-python": requires_python,
            "dependencies": list(dependencies),
            "optional-dependencies": {extra: list(asked) for extra, asked in (extras or {}).items()},
        },
        "dependency-groups": {group: list(entries) for group, entries in (groups or {}).items()},
        "tool": {"pdm": {"dev-dependencies": in_tool}},
    }
    if excludes:
        document["tool"]["pdm"]["resolution"] = {"excludes": list(excludes)}
    return tomli_w.dumps(document)


def pdm_files(lock: str | bytes, pyproject: str | None = None, *, folder: str = "shop") -> ProjectFiles:
    """A project's files as the readers take them, in a folder that need not exist."""
    files = {"pdm.lock": lock.encode() if isinstance(lock, str) else lock}
    if pyproject is not None:
        files["pyproject.toml"] = pyproject.encode()
    return ProjectFiles(folder, folder, "pdm.lock", files)
