"""uv.lock files made from Python values: what uv would write, cut to what matters.

``uv_lock([project("shop", dependencies=[want("demo")]), locked("demo")])`` is the text of a uv.lock whose
root wants one package from an index. ``uv_files`` makes of a text what the readers take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests.locks import digest_of, wheel_name

INDEX = "https://index.example/simple"
FILES = "https://files.example"

Table = Mapping[str, Any]
Wants = Sequence[Table]
NOTHING: Mapping[str, Wants] = {}


def file_at(name: str, *, size: int | None = 10, url: str | None = None) -> Table:
    """A file of an index, with a digest made of its name."""
    entry: dict[str, Any] = {"url": url or f"{FILES}/{name}", "hash": f"sha256:{digest_of(name)}"}
    if size is not None:
        entry["size"] = size
    return entry


def want(name: str, marker: str = "", *, extra: Sequence[str] = (), of: Table | None = None) -> Table:
    """A dependency; ``of`` is the package that it means, where the name alone would be ambiguous."""
    entry: dict[str, Any] = {"name": name}
    if of is not None:
        entry |= {key: of[key] for key in ("version", "source") if key in of}
    if extra:
        entry["extra"] = list(extra)
    if marker:
        entry["marker"] = marker
    return entry


def locked(
    name: str,
    version: str | None = "1.0",
    *,
    source: Table | None = None,
    wheels: Sequence[Table] | None = None,
    sdist: Table | None = None,
    dependencies: Wants = (),
    extras: Mapping[str, Wants] = NOTHING,
    groups: Mapping[str, Wants] = NOTHING,
    empty_extras: Sequence[str] = (),
    empty_groups: Sequence[str] = (),
    forks: Sequence[str] = (),
) -> Table:
    """One ``[[package]]``, by default from an index with one pure wheel.

    ``extras`` and ``groups`` map a name to dependencies; those without any stand in the metadata alone.
    """
    package: dict[str, Any] = {"name": name}
    if version is not None:
        package["version"] = version
    package["source"] = source or {"registry": INDEX}
    if forks:
        package["resolution-markers"] = list(forks)
    if wheels is None and source is None:
        wheels = [file_at(wheel_name(name, version or "0"))]
    tables = {
        "dependencies": list(dependencies),
        "sdist": sdist,
        "wheels": list(wheels or ()),
        "optional-dependencies": {key: list(value) for key, value in extras.items()},
        "dev-dependencies": {key: list(value) for key, value in groups.items()},
    }
    package |= {key: value for key, value in tables.items() if value}
    if extras or empty_extras or empty_groups:
        package["metadata"] = {
            "provides-extras": [*extras, *empty_extras],
            "requires-dev": {group: [] for group in empty_groups},
        }
    return package


def project(name: str = "shop", *, at: str = ".", kind: str = "virtual", **more: Any) -> Table:
    """A package of the project itself: the root, or a member of its workspace."""
    return locked(name, more.pop("version", "0.1"), source={kind: at}, **more)


def uv_lock(
    packages: Sequence[Table],
    *,
    revision: int | None = 3,
    requires_python: str = ">=3.10",
    conflicts: Sequence[Sequence[Table]] = (),
    environments: Sequence[str] = (),
    manifest: Table | None = None,
    called: str = "package",
    **more: object,
) -> str:
    """The text of a uv.lock; ``called`` is what a package was called when it was written."""
    document: dict[str, Any] = {"version": 1}
    if revision is not None:
        document["revision"] = revision
    document["requires-python"] = requires_python
    if conflicts:
        document["conflicts"] = [list(conflict) for conflict in conflicts]
    if environments:
        document["supported-markers"] = list(environments)
    if manifest:
        document["manifest"] = manifest
    document |= more
    if packages:
        document[called] = list(packages)
    return tomli_w.dumps(document)


def uv_files(lock: str | bytes, *, member: str = ".", folder: str = "shop") -> ProjectFiles:
    """A project's files as the readers take them, in a folder that need not exist."""
    content = lock.encode() if isinstance(lock, str) else lock
    return ProjectFiles(folder, folder, "uv.lock", {"uv.lock": content}, member=member)
