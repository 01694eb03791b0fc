"""Comparing lock → plan → store → index → publication. Read-only, and able to fail.

Layers: **coverage** (each pin × target has an artifact, or a listed gap), **integrity** (bytes against the
lock's hash), **index** (each link resolves, each digest agrees) and **installability** (a real installer
finds every pin). Here are the comparisons; ``phases.verification`` observes the world for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Literal
from urllib.parse import unquote

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.manifest import MANIFEST, Manifest
from mirror_pipeline.domain.plan import Gap, Plan
from mirror_pipeline.domain.simple_page import PageError, read_page
from mirror_pipeline.domain.wheelset import UpstreamFile

Layer = Literal["coverage", "integrity", "index", "installability", "bucket"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One discrepancy: where, what was expected and what was found."""

    layer: Layer
    subject: str
    problem: str
    expected: str | None = None
    actual: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One layer's work: how many things were compared, and what was found wrong."""

    layer: Layer
    checked: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: bool = False
    """Whether there was nothing to compare with, as the notes say; not the same as finding nothing there."""


@dataclass(frozen=True, slots=True)
class Report:
    """A verification. It passes only if every layer that was not left out checked more than nothing.

    And found nothing, and if not all of them were left out.
    """

    requirements: str
    generation: int | None
    layers: tuple[Judged, ...]
    gaps: Mapping[str, tuple[Gap, ...]] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding of every layer."""
        return tuple(finding for layer in self.layers for finding in layer.findings)

    @property
    def notes(self) -> tuple[str, ...]:
        """What every layer has to say besides."""
        return tuple(note for layer in self.layers for note in layer.notes)

    @property
    def checked(self) -> int:
        """How many comparisons were made."""
        return sum(layer.checked for layer in self.layers)

    @property
    def passed(self) -> bool:
        """True only for work that was done and found nothing."""
        done = [layer for layer in self.layers if not layer.left_out]
        return not self.findings and bool(done) and all(layer.checked for layer in done)


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What was observed of the published site. Digests are of the bytes that a client would get."""

    manifest: Manifest | None
    digests: Mapping[str, str]
    """Key → SHA-256, of every file the manifest names that is there."""
    pages: Mapping[str, bytes]
    """Key → content of the pages below ``simple/``."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Key → why it could not be read, which is another thing than that it is not there."""
    findings: tuple[Finding, ...] = ()
    """What is wrong besides: how things are served, and what is served that should not be."""
    asked: int = 0
    """How many comparisons that took."""


def judge_coverage(plan: Plan, site: SiteFacts) -> Judged:
    """Every artifact of the plan is published; what has no artifact is a listed gap (not a finding)."""
    published = site.manifest.files if site.manifest else {}
    findings = [
        Finding("coverage", artifact.file, f"wanted for {platform}, but not published", artifact.sha256)
        for platform, part in plan.platforms.items()
        for artifact in part.artifacts
        if f"packages/{artifact.file}" not in published
    ]
    checked = sum(len(pins) for pins in plan.targets.values())
    return Judged("coverage", checked, tuple(findings))


def judge_integrity(
    artifacts: Sequence[Artifact], digests: Mapping[str, str], unread: Mapping[str, str] | None = None
) -> Judged:
    """The bytes of every artifact have the digest that the lock names."""
    findings = []
    for artifact in artifacts:
        key, file, wanted = f"packages/{artifact.file}", artifact.file, artifact.sha256
        actual, trouble = digests.get(key), (unread or {}).get(key)
        if trouble:
            findings.append(Finding("integrity", file, f"could not be read: {trouble}", wanted))
        elif actual is None:
            findings.append(Finding("integrity", file, "the file is missing", wanted))
        elif actual != wanted:
            findings.append(Finding("integrity", file, "the bytes are not those of the lock", wanted, actual))
    return Judged("integrity", len(artifacts), tuple(findings))


def judge_index(artifacts: Sequence[Artifact], site: SiteFacts, requirements: str | None = None) -> Judged:
    """Pages agree with the manifest, with the plan, with each other and with the files they link to.

    ``requirements`` is the version that the manifest should have been made from.
    """
    if site.manifest is None:
        return Judged(
            "index", 0, (Finding("index", MANIFEST, "missing or unreadable: nothing is published"),)
        )
    findings = [*_keys(site.manifest, site), *_project_pages(artifacts, site), *site.findings]
    if requirements not in (None, site.manifest.requirements):
        made = site.manifest.requirements
        findings.append(Finding("index", MANIFEST, "made from other requirements", requirements, made))
    findings = sorted(set(findings), key=lambda found: tuple(value or "" for value in astuple(found)))
    checked = len(site.manifest.files) + 2 * len(artifacts) + site.asked
    return Judged("index", checked, tuple(findings))


def _keys(manifest: Manifest, site: SiteFacts) -> Iterator[Finding]:
    for key, entry in manifest.files.items():
        actual, trouble = site.digests.get(key), site.unread.get(key)
        if trouble:
            yield Finding("index", key, f"could not be read: {trouble}", entry.sha256)
        elif actual is None:
            yield Finding("index", key, "named by the manifest, but missing", entry.sha256)
        elif actual != entry.sha256:
            yield Finding("index", key, "the bytes are not those of the manifest", entry.sha256, actual)


def _project_pages(artifacts: Sequence[Artifact], site: SiteFacts) -> Iterator[Finding]:
    wanted: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        wanted.setdefault(artifact.project, []).append(artifact)
    for project, files in wanted.items():
        for name, media in (("index.html", "text/html"), ("index.v1_json", "application/json")):
            key = f"simple/{project}/{name}"
            if key in site.pages:
                yield from _one_page(key, media, files, site)
            elif key not in site.unread:
                yield Finding("index", key, "the page is missing")
    for key in site.pages:
        if key.count("/") > 1 and key.split("/")[1] not in wanted:
            yield Finding("index", key, "a page of a project that no lock wants")


def _one_page(key: str, media: str, files: Sequence[Artifact], site: SiteFacts) -> Iterator[Finding]:
    try:
        links = read_page(site.pages[key], media, f"/{key}", lambda _file, _digest: True)
    except PageError as error:
        yield Finding("index", key, str(error))
        return
    by_name = {link.file: link for link in links}
    for artifact in files:
        if artifact.file not in by_name:
            yield Finding("index", key, f"does not list {artifact.file}")
    for link in links:
        yield from _one_link(key, link, {file.file: file.sha256 for file in files}, site)


def _one_link(key: str, link: UpstreamFile, wanted: Mapping[str, str], site: SiteFacts) -> Iterator[Finding]:
    target = f"packages/{link.file}"
    if link.file not in wanted:
        yield Finding("index", key, f"lists {link.file}, which no lock wants")
    elif link.sha256 != wanted[link.file]:
        yield Finding("index", key, f"wrong digest for {link.file}", wanted[link.file], link.sha256)
    if unquote(link.url) != f"/{target}":
        yield Finding("index", key, f"the link of {link.file} leads elsewhere", f"/{target}", link.url)
    if target not in site.digests and target not in site.unread:
        yield Finding("index", key, f"links to {link.file}, which is missing")
    metadata = site.digests.get(f"{target}.metadata")
    if metadata and link.core_metadata not in (None, metadata):
        yield Finding("index", key, f"wrong core metadata of {link.file}", metadata, link.core_metadata)


def judge_installability(complaints: Mapping[str, str], checked: int, notes: Iterable[str] = ()) -> Judged:
    """What the installer could not find, by target."""
    findings = tuple(
        Finding("installability", target, complaint) for target, complaint in sorted(complaints.items())
    )
    return Judged("installability", checked, findings, tuple(notes))


def left_out(layer: Layer, why: str) -> Judged:
    """A layer that there is nothing to compare with for."""
    return Judged(layer, 0, (), (why,), left_out=True)


def conflict_free_sets(pins: Sequence[str], without: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Split pins so that no set names a project twice: no installer takes two versions at once.

    ``without`` are the pins to leave out: gaps, and what lies outside the mirror.
    """
    left_out = set(without)
    sets: list[dict[str, str]] = [{}]
    for pin in pins:
        project = pin.partition("==")[0]
        if pin in left_out:
            continue
        place = next((found for found in sets if project not in found), None)
        if place is None:
            sets.append(place := {})
        place[project] = pin
    return tuple(tuple(found.values()) for found in sets if found)
