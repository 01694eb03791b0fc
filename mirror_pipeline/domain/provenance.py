"""Provenance of files (PEP 740): who built them where, signed. A mirror passes it on as it is.

What is looked at here is its form, and that it is about this very file; whether its signatures are good is
for those to judge who trust somebody. See docs/decisions/0017-what-pages-repeat.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from mirror_pipeline.domain.artifact import Artifact, is_safe_file_name
from mirror_pipeline.domain.serving import INTEGRITY_TYPE, PROVENANCE

ACCEPT = f"{INTEGRITY_TYPE}, application/json;q=0.5, */*;q=0.1"
MOST_BYTES = 8 * 1024 * 1024
"""More is no provenance: an attestation has about 5 KB."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ProvenanceError(ValueError):
    """This is no provenance of that file."""


def key_of(project: str, file: str) -> str:
    """Where it is published."""
    return f"simple/{project}/{file}{PROVENANCE}"


def has_place(file: str) -> bool:
    """Whether the provenance of a file can be published under its name: the longest names leave no room."""
    return is_safe_file_name(f"{file}{PROVENANCE}")


def relative_url(file: str) -> str:
    """Its URL from the page of its project."""
    return quote(f"{file}{PROVENANCE}", safe="!")


def absolute_url(base: str, project: str, file: str) -> str | None:
    """Its URL as pages may state it: fully qualified and of a secure origin, or not at all.

    ``base`` is where the mirror is reached, '' where nobody knows.
    """
    parts = urlsplit(base)
    host = parts.hostname or ""
    secure = parts.scheme == "https" or host in _LOOPBACK or host.endswith(".localhost")
    return f"{base}/simple/{project}/{relative_url(file)}" if host and secure else None


def checked(content: bytes, artifact: Artifact) -> str:
    """The text of a provenance object, unchanged; a ``ProvenanceError`` where it is none of this file."""
    try:
        text = content.decode()
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ProvenanceError("this is no JSON") from None
    if not isinstance(document, Mapping) or document.get("version") != 1:
        raise ProvenanceError("this is no provenance object of version 1")
    others = [digest for digest in _subjects(document) if digest != artifact.sha256]
    if others:
        raise ProvenanceError(f"it attests other bytes: sha256 {others[0]}")
    return text


def _subjects(document: Mapping[str, Any]) -> Iterator[str]:
    """The digests that the statements are about, as far as they can be read."""
    for bundle in _objects(document.get("attestation_bundles"), "attestation_bundles"):
        for attestation in _objects(bundle.get("attestations"), "attestations"):
            yield from _digests(attestation)


def _objects(value: object, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
        raise ProvenanceError(f"it has no list of {name}")
    return value


def _digests(attestation: Mapping[str, Any]) -> Iterator[str]:
    """Of a statement (in-toto v1); one that nobody can read is for those to refuse who check signatures."""
    try:
        statement = json.loads(base64.b64decode(attestation["envelope"]["statement"]))
        digests = [subject["digest"]["sha256"] for subject in statement["subject"]]
    except (ValueError, TypeError, LookupError, RecursionError):
        return
    yield from (digest.lower() for digest in digests if isinstance(digest, str))
