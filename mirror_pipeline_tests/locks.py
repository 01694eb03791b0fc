"""Lock files and pyproject files made from Python values: what poetry would write, cut to what matters.

``poetry_lock([package("demo", "1.0", files={"demo-1.0-py3-none-any.whl": digest})])`` is the text of a
poetry.lock; ``version=`` chooses its format (0.x, 1.0, 1.1, 2.0 or 2.1) and each package is written as that
format has it. Those that poetry of today reads are accepted by it (``test_poetry_oracle``), given the
``content_hash`` of the pyproject.toml that lies beside them. ``project_files`` makes of both what the readers
take.

``pin`` and ``lock_of`` make the parsed values without any text, for tests of what comes after reading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tomli
import tomli_w
from packaging.markers import Marker
from packaging.utils import canonicalize_name
from packaging.version import Version

from mirror_pipeline.domain.lock import Edge, Lock, LockedFile, Pin, Root, Source
from mirror_pipeline.lockfiles.project_files import ProjectFiles

FORMATS = ("1.1", "2.0", "2.1")
"""The formats that poetry of today reads."""
OLD_FORMATS = ("0.x", "1.0")
"""Those from before: they bear no number, and their packages a condition of their own."""

Table = Mapping[str, Any]


def digest_of(text: str) -> str:
    """A SHA-256 for a file that need not exist."""
    return hashlib.sha256(text.encode()).hexdigest()


def wheel_name(name: str, version: str, tags: str = "py3-none-any") -> str:
    """A wheel's file name."""
    return f"{name.replace('-', '_')}-{version}-{tags}.whl"


@dataclass(frozen=True)
class LockedPackage:
    """One ``[[package]]`` with everything that some format says of it."""

    name: str
    version: str
    files: Mapping[str, str]
    dependencies: Table = field(default_factory=dict)
    extras: Mapping[str, Sequence[str]] = field(default_factory=dict)
    groups: Sequence[str] = ("main",)
    markers: str | Mapping[str, str] = ""
    optional: bool = False
    source: Mapping[str, str] | None = None
    python: str = "*"


def package(
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str] | None = None,
    dependencies: Table | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
    groups: Sequence[str] = ("main",),
    markers: str | Mapping[str, str] = "",
    optional: bool = False,
    source: Mapping[str, str] | None = None,
    python: str = "*",
) -> LockedPackage:
    """A locked package.

    ``files`` maps file names to SHA-256 (left out: one pure wheel of that name and version);
    ``dependencies`` are written as poetry writes them (a constraint, a table, or a list of either);
    ``extras`` maps an extra to requirements; ``groups`` exist in format 2.1 only, ``markers`` there and, as
    one text, in formats 0.x and 1.0; ``python`` are the Pythons that the package allows.
    """
    if files is None:
        wheel = wheel_name(name, version)
        files = {wheel: digest_of(wheel)}
    return LockedPackage(
        name, version, files, dependencies or {}, extras or {}, groups, markers, optional, source, python
    )


def poetry_lock(
    packages: Sequence[LockedPackage],
    *,
    version: str = "2.1",
    requires_python: str = ">=3.10",
    extras: Mapping[str, Sequence[str]] | None = None,
    content_hash: str = "0" * 64,
) -> str:
    """The text of a poetry.lock. ``extras`` are the project's own: extra → names of projects."""
    document: dict[str, Any] = {"package": [_written(item, version) for item in packages]}
    if extras:
        document["extras"] = {extra: list(names) for extra, names in extras.items()}
    metadata: dict[str, Any] = {"python-versions": requires_python, "content-hash": content_hash}
    if version not in OLD_FORMATS:
        metadata["lock-version"] = version
    if version == "0.x":
        metadata["hashes"] = {item.name: sorted(item.files.values()) for item in packages}
    elif version in ("1.0", "1.1"):
        shared: dict[str, list[Table]] = {}
        for item in packages:
            shared.setdefault(item.name, []).extend(_files(item))
        metadata["files"] = shared
    document["metadata"] = metadata
    return tomli_w.dumps(document)


def _written(item: LockedPackage, version: str) -> Table:
    table: dict[str, Any] = {
        "name": item.name,
        "version": item.version,
        "description": "",
        "optional": item.optional,
        "python-versions": item.python,
    }
    if version in OLD_FORMATS and isinstance(item.markers, str) and item.markers:
        table["marker"] = item.markers
    if version in (*OLD_FORMATS, "1.1"):
        table["category"] = "main" if "main" in item.groups else "dev"
    else:
        table["files"] = _files(item)
    if version == "2.1":
        table["groups"] = list(item.groups)
        if item.markers:
            table["markers"] = item.markers
    if item.dependencies:
        table["dependencies"] = item.dependencies
    if item.extras:
        table["extras"] = {extra: list(asked) for extra, asked in item.extras.items()}
    if item.source:
        table["source"] = item.source
    return table


def _files(item: LockedPackage) -> list[Table]:
    return [{"file": name, "hash": f"sha256:{digest}"} for name, digest in item.files.items()]


def poetry_pyproject(
    name: str = "shop",
    *,
    dependencies: Table | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Table] | None = None,
    dev_dependencies: Table | None = None,
    requires_python: str = ">=3.10",
) -> str:
    """A pyproject.toml with all in ``[tool.poetry]``: ``groups`` maps a group to its dependency table."""
    own: dict[str, Any] = {
        "name": name,
        "version": "1.0",
        "description": "",
        "authors": [],
        "package-mode": False,
        "dependencies": {"python": requires_python, **(dependencies or {})},
    }
    if dev_dependencies:
        own["dev-dependencies"] = dev_dependencies
    if groups:
        own["group"] = {group: {"dependencies": table} for group, table in groups.items()}
    if extras:
        own["extras"] = {extra: list(names) for extra, names in extras.items()}
    return tomli_w.dumps({"tool": {"poetry": own}})


def standard_pyproject(
    name: str = "shop",
    *,
    dependencies: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str | Mapping[str, str]]] | None = None,
    requires_python: str = ">=3.10",
) -> str:
    """A pyproject.toml with ``[project]`` (PEP 621) and ``[dependency-groups]`` (PEP 735)."""
    project: dict[str, Any] = {
        "name": name,
        "version": "1.0",
        "requires-python": requires_python,
        "dependencies": list(dependencies),
    }
    if extras:
        project["optional-dependencies"] = {extra: list(asked) for extra, asked in extras.items()}
    document: dict[str, Any] = {"project": project, "tool": {"poetry": {"package-mode": False}}}
    if groups:
        document["dependency-groups"] = {group: list(entries) for group, entries in groups.items()}
    return tomli_w.dumps(document)


def content_hash(pyproject: str) -> str:
    """What poetry writes into a lock to tell whether pyproject.toml has changed since."""
    document = tomli.loads(pyproject)
    own = document.get("tool", {}).get("poetry", {})
    project = {
        key: document["project"][key]
        for key in ("requires-python", "dependencies", "optional-dependencies")
        if key in document.get("project", {})
    }
    groups = document.get("dependency-groups", {})
    keys = ("dependencies", "source", "extras", "dev-dependencies", "group")
    if project or groups:
        relevant: dict[str, Any] = {"project": project} if project else {}
        if groups:
            relevant["dependency-groups"] = groups
        relevant["tool"] = {"poetry": {key: own[key] for key in keys if key in own}}
    else:
        relevant = {key: own.get(key) for key in keys if key in own or key != "group"}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def project_files(
    lock: str | bytes,
    pyproject: str | bytes | None = None,
    *,
    folder: str = "shop",
    name: str = "poetry.lock",
) -> ProjectFiles:
    """A project's files as the readers take them, in a folder that need not exist."""
    files = {name: lock.encode() if isinstance(lock, str) else lock}
    if pyproject is not None:
        files["pyproject.toml"] = pyproject.encode() if isinstance(pyproject, str) else pyproject
    return ProjectFiles(folder, folder, name, files)


def pin(name: str, version: str = "1.0", *files: str, source: Source = Source()) -> Pin:  # noqa: B008
    """A pin with these files, or one pure wheel; digests are made of the file names."""
    names = files or (wheel_name(name, version),)
    return Pin(
        key=f"{name}=={version}",
        name=canonicalize_name(name),
        version=Version(version),
        files=tuple(LockedFile(file, digest_of(file)) for file in names),
        source=source,
    )


def wants(pin: Pin, marker: str = "", *, root: Root = Root()) -> Edge:  # noqa: B008
    """The edge by which a project itself wants a pin."""
    return Edge(root, pin.key, marker=Marker(marker) if marker else None)


def lock_of(
    *pins: Pin,
    edges: Sequence[Edge] | None = None,
    project: str = "shop",
    requires_python: str = ">=3.10",
    groups: Sequence[str] = (),
    extras: Sequence[str] = (),
) -> Lock:
    """A lock of these pins; without ``edges`` the project wants all of them everywhere."""
    return Lock(
        project=project,
        format="poetry",
        format_version="2.1",
        requires_python=requires_python,
        groups=tuple(groups),
        extras=tuple(extras),
        pins=pins,
        edges=tuple(map(wants, pins) if edges is None else edges),
    )
