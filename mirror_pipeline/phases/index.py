"""Phase ``index``: pages, relocated locks and the manifest of what the wheel sets hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import tomli_w

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.conditions import asking_conditions
from mirror_pipeline.domain.manifest import Manifest, make_manifest, with_page
from mirror_pipeline.domain.news import News, with_news
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.people import FRONT
from mirror_pipeline.domain.project_names import lock_names
from mirror_pipeline.domain.requirements import Pinned, pylock
from mirror_pipeline.domain.scenarios import offered
from mirror_pipeline.domain.target import NOARCH, PLATFORMS
from mirror_pipeline.domain.wheelset import WheelSet, by_project, facts_by_project
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.phases.drift import last_news
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.people import pages_for_people
from mirror_pipeline.phases.provenance import provenance_pages
from mirror_pipeline.phases.relocation import uv_locks
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import PYLOCK, Requirements, current_requirements
from mirror_pipeline.phases.tokens import is_private
from mirror_pipeline.phases.wheel_plan import document_of as plan_document
from mirror_pipeline.phases.wheel_plan import is_planned
from mirror_pipeline.phases.wheels import document_of, is_gathered, load_wheels

DOCUMENT = "index"
MADE = "index_made"
_OTHER_REQUIREMENTS = "made from other requirements"
_NEWER_WORD = "upstream says something else of what is mirrored"
_OTHER_ACCESS = "clients need a login now, or none any more"


@dataclass(frozen=True, slots=True)
class Index:
    """Everything to publish but the packages: key → text, and the manifest that covers both."""

    manifest: Manifest
    pages: Mapping[str, str]

    @property
    def contents(self) -> Mapping[str, bytes]:
        """The pages as bytes."""
        return {key: text.encode() for key, text in self.pages.items()}


@dataclass(frozen=True, slots=True)
class Made:
    """What the stored index was made from, apart from that big document: it is asked often."""

    requirements: str
    content: str = ""
    """Digest of the manifest that the index would have if it told no time."""
    refreshed: str = ""
    """The time that it tells."""
    news: str = ""
    """Digest of what upstream said later of what is mirrored; '' for nothing."""
    private: bool = False
    """Whether its snippets tell of a login."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """The outcome of the phase."""

    index: Index
    version: str
    previous: Index | None
    sizes: Mapping[str, int]
    """Bytes of packages by platform."""


def make_index(mirror: Mirror) -> Indexed:
    """Build the index from the stored wheel sets of all platforms.

    Raises ``DocumentError`` where one of them is not what its plan wants: half a change is not published.
    """
    requirements = mirror.documents.read(REQUIREMENTS, Requirements)
    sets = [load_wheels(mirror, platform) for platform in mirror.settings.platforms]
    refuse_half_a_change(mirror, requirements.version)
    news = last_news(mirror)
    projects, facts = with_news(by_project(sets), facts_by_project(sets), news)
    documents = dict(_documents(requirements, sets, mirror.settings.cloud.public_url))
    held = {name: artifact.sha256 for name, artifact in _artifacts(sets).items()}
    documents.update((key, text.encode()) for key, text in uv_locks(mirror, requirements.locks, held))
    people = pages_for_people(mirror, requirements, sets, projects, facts, documents)
    pages = page_files(projects, facts, mirror.settings.cloud.public_url)
    contents = {**pages, **dict(provenance_pages(mirror, sets)), **documents, **people.pages}
    timeless = make_manifest(
        requirements.version,
        mirror.settings.platforms,
        contents,
        (item for files in projects.values() for item in files),
        requirements.locks,
    )
    made = _made(mirror, requirements.version, timeless.digest)
    contents[FRONT] = people.front(datetime.fromisoformat(made.refreshed))
    manifest = with_page(timeless, FRONT, contents[FRONT])
    index = Index(manifest, {key: content.decode() for key, content in contents.items()})
    previous = mirror.documents.find(DOCUMENT, Index)
    mirror.documents.write(DOCUMENT, index)
    mirror.documents.write(MADE, replace(made, news=_version(news), private=is_private(mirror.settings)))
    return Indexed(index, manifest.digest, previous, {found.platform: found.size for found in sets})


def _made(mirror: Mirror, requirements: str, content: str) -> Made:
    """The time is the clock's, to the minute, where anything else changed; else it is the one told before."""
    before, given = mirror.documents.find(MADE, Made), mirror.settings.made_at
    if given is None and before and before.refreshed and before.content == content:
        return Made(requirements, content, before.refreshed)
    now = (given or mirror.now()).replace(second=0, microsecond=0)
    return Made(requirements, content, now.isoformat())


def refuse_half_a_change(mirror: Mirror, requirements: str) -> None:
    """Every platform's plan has to come from these requirements, and its wheel set from the plan."""
    for platform in mirror.settings.platforms:
        if not is_planned(mirror, platform, requirements):
            raise DocumentError(
                f"the plan of {platform} comes from other requirements than those of now",
                hint=f"materialize 'wheel_plan' of {platform} first, or run 'mirror-pipeline refresh'",
                document=plan_document(platform),
            )
    behind = [platform for platform in mirror.settings.platforms if not is_gathered(mirror, platform)]
    if behind:
        raise DocumentError(
            f"the wheels of {', '.join(behind)} are not those that the plan wants",
            hint=f"materialize 'wheels' of {behind[0]} first, or run 'mirror-pipeline refresh'",
            document=document_of(behind[0]),
            platforms=behind,
        )


def load_index(mirror: Mirror) -> Index:
    """The stored index."""
    return mirror.documents.read(DOCUMENT, Index)


def is_outdated(mirror: Mirror) -> bool:
    """Whether there is a reason to make the stored index anew, and all is there for one."""
    return bool(why_outdated(mirror))


def why_outdated(mirror: Mirror) -> str:
    """Why the stored index is not what there is now; '' where it is, or where not all is there for another.

    No wheel need have changed for that: a marker did, or a file that no platform wants, or upstream's word,
    or who is let in.
    """
    made, now = mirror.documents.find(MADE, Made), current_requirements(mirror)
    if now is None:
        return ""
    why = _why_told_otherwise(mirror, made or Made(""))
    if made is not None and made.requirements == now and not why:
        return ""
    index = mirror.documents.find(DOCUMENT, Index)
    if index is None or (index.manifest.requirements == now and not why) or not is_in_step(mirror):
        return ""
    return why if index.manifest.requirements == now else _OTHER_REQUIREMENTS


def _why_told_otherwise(mirror: Mirror, made: Made) -> str:
    """Why pages would say something else of the same files."""
    if made.news != _version(last_news(mirror)):
        return _NEWER_WORD
    return _OTHER_ACCESS if made.private != is_private(mirror.settings) else ""


def _version(news: News) -> str:
    return digest_of(news) if news else ""


def is_in_step(mirror: Mirror) -> bool:
    """Whether every plan comes from the requirements of now, and every wheel set is what its plan wants."""
    now = current_requirements(mirror)
    return all(
        is_planned(mirror, platform, now or "") and is_gathered(mirror, platform)
        for platform in mirror.settings.platforms
    )


def _documents(
    requirements: Requirements, sets: Sequence[WheelSet], public_url: str
) -> Iterator[tuple[str, bytes]]:
    """Requirement files, and locks per platform that point into the mirror: by URL where one is known."""
    packages = f"{public_url}/packages/" if public_url else "../packages/"
    for key, text in requirements.texts.items():
        if key != PYLOCK:
            yield key, text.encode()
    pinned = [
        Pinned(lock, asking_conditions(lock, selection), offered(lock, selection))
        for lock, selection in zip(requirements.locks, requirements.selections, strict=True)
    ]
    pure = next((found for found in sets if found.platform == NOARCH), WheelSet(NOARCH))
    for found in sets:
        if found.platform != NOARCH:
            artifacts = _artifacts((found, pure))
            for name, chosen in _named_locks(pinned, found.platform).items():
                document = pylock(chosen, artifacts, packages, [PLATFORMS[found.platform].marker])
                yield f"pylock/pylock.{name}.toml", tomli_w.dumps(document).encode()


def _named_locks(pinned: Sequence[Pinned], platform: str) -> Mapping[str, Sequence[Pinned]]:
    """A platform's locks: the one of all projects, which need not agree, and of several one for each."""
    if len(pinned) < 2:
        return {platform: pinned}
    names = lock_names([one.lock for one in pinned])
    each = {f"{name}-{platform}": (one,) for name, one in zip(names, pinned, strict=True)}
    return {platform: pinned, **each}


def _artifacts(sets: Sequence[WheelSet]) -> Mapping[str, Artifact]:
    return {
        item.artifact.file: replace(item.artifact, size=item.size) for found in sets for item in found.held
    }
