"""pylock.toml files made from Python values: what PEP 751 allows, cut to what matters.

``pylock([locked("demo")])`` is the text of a lock with one package from an index. ``read_pylock`` reads such
a text as one of a project in a folder that need not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests.locks import digest_of, project_files, wheel_name

FILES = "https://files.example"

Table = Mapping[str, Any]


def file_at(name: str, *, digest: str | None = None, **keys: object) -> dict[str, Any]:
    """A file with a URL that ends in its name, and a digest made of it; None removes a key."""
    entry: dict[str, Any] = {
        "url": f"{FILES}/{name.replace('+', '%2B')}",
        "hashes": {"sha256": digest or digest_of(name)},
        **{key.replace("_", "-"): value for key, value in keys.items()},
    }
    return {key: value for key, value in entry.items() if value is not None}


def locked(name: str, version: str | None = "1.0", *files: Table, **keys: object) -> dict[str, Any]:
    """One ``[[packages]]`` with these wheels: without any, one pure wheel, but for one from elsewhere."""
    entry: dict[str, Any] = {"name": name, **{key.replace("_", "-"): value for key, value in keys.items()}}
    if version is not None:
        entry["version"] = version
    if files:
        entry["wheels"] = list(files)
    elif not entry.keys() & {"wheels", "sdist", "vcs", "directory", "archive"}:
        entry["wheels"] = [file_at(wheel_name(name, version or "1.0"))]
    return entry


def pylock(packages: Sequence[Table], **keys: object) -> str:
    """The text of a pylock.toml; ``keys`` are further ones of the top level, None removes one."""
    document: dict[str, Any] = {"lock-version": "1.0", "created-by": "tests"}
    document |= {key.replace("_", "-"): value for key, value in keys.items()}
    document["packages"] = list(packages)
    return tomli_w.dumps({key: value for key, value in document.items() if value is not None})


def read_pylock(text: str | bytes) -> Lock:
    """Read a text as the lock of the project ``shop``."""
    return read_lock(project_files(text, name="pylock.toml"))
