"""Pipfile.lock made from Python values: what pipenv would write, cut to what matters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests.locks import digest_of

LOCK = "Pipfile.lock"
SOURCES = ({"name": "main", "url": "https://index.example/simple", "verify_ssl": True},)

Entry = Mapping[str, Any]


def entry(version: str = "==1.0", *, hashes: Sequence[str] | None = None, **more: object) -> Entry:
    """An entry of a section; left out, ``hashes`` is one made of the version."""
    digests = [digest_of(version)] if hashes is None else hashes
    return {"hashes": [f"sha256:{digest}" for digest in digests], "version": version, **more}


def pipfile_lock(
    default: Mapping[str, object] | None = None,
    develop: Mapping[str, object] | None = None,
    *,
    sources: Sequence[Mapping[str, object]] = SOURCES,
    requires: Mapping[str, object] | None = None,
    meta: Mapping[str, object] | None = None,
    **sections: object,
) -> str:
    """The text of a Pipfile.lock; ``sections`` are custom categories, ``meta`` changes keys of ``_meta``."""
    about = {
        "hash": {"sha256": "0" * 64},
        "pipfile-spec": 6,
        "requires": requires or {},
        "sources": list(sources),
        **(meta or {}),
    }
    document = {"_meta": about, "default": default or {}, "develop": develop or {}, **sections}
    return json.dumps(document, indent=4)


def pipfile_project(text: str | bytes) -> ProjectFiles:
    """A project of one Pipfile.lock."""
    return ProjectFiles("shop", "shop", LOCK, {LOCK: text.encode() if isinstance(text, str) else text})
