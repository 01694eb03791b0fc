"""Comparing a bucket's books with a listing: what was changed or removed behind their back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mirror_pipeline.domain.objects import Listed, Stored
from mirror_pipeline.domain.verification import Finding

CHANGED = "changed behind the publisher's back"
MISSING = "removed behind the publisher's back"
UNREADABLE = "removed or damaged behind the publisher's back"


def compare(known: Mapping[str, Stored], listed: Iterable[Listed]) -> tuple[Finding, ...]:
    """A finding per object that is not what was stored, by ETag and size.

    Objects that nobody entered are remains of an interrupted publication, or somebody else's; ``gc`` names
    them.
    """
    there = {found.key: found for found in listed}
    findings = []
    for key, stored in known.items():
        found = there.get(key)
        if found is None:
            findings.append(Finding("bucket", key, MISSING, stored.sha256))
        elif (found.size, found.etag) != (stored.size, stored.etag):
            expected, actual = f"{stored.etag}, {stored.size} bytes", f"{found.etag}, {found.size} bytes"
            findings.append(Finding("bucket", key, CHANGED, expected, actual))
    return tuple(sorted(findings, key=lambda finding: finding.subject))
