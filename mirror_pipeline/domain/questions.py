"""What clients ask a published mirror for. Pure: ``adapters.published`` asks, ``domain.published`` judges.

Pages are asked for as installers do, packages by the hrefs of the pages; and some things are asked for that
nobody may get.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from mirror_pipeline.domain.artifact import is_safe_file_name
from mirror_pipeline.domain.edge import has_gzip
from mirror_pipeline.domain.manifest import MANIFEST, Manifest
from mirror_pipeline.domain.serving import HTML_PAGE, JSON_PAGE, is_index_page
from mirror_pipeline.domain.simple_page import ACCEPT

ANYTHING, HTML = "*/*", "text/html"
_MISSING_PROJECT = "is-not-mirrored-here"


class Purpose(Enum):
    """What a question is to find out."""

    FILE = "what clients get of a key"
    UNPACKED = "what clients get that take no gzip"
    EITHER = "which page installers get that take both"
    HIDDEN = "that something cannot be read"
    ABSENT = "that a project which is not there is answered with 404"
    STRANGER = "that nobody gets in without a login"


@dataclass(frozen=True, slots=True)
class Question:
    """One request. ``path`` is quoted; ``strict``: the headers have to be those of the manifest too."""

    path: str
    key: str
    purpose: Purpose = Purpose.FILE
    accept: str = ANYTHING
    gzip: bool = False
    strict: bool = False

    @property
    def keeps(self) -> bool:
        """Whether the reply's content is wanted, and not its digest alone."""
        return self.purpose is Purpose.FILE and (self.key == MANIFEST or is_index_page(self.key))


MANIFEST_QUESTION = Question(f"/{MANIFEST}", MANIFEST, gzip=True)


def questions(
    manifest: Manifest, *, guarded: bool, private: bool, generation: int | None = None
) -> tuple[Question, ...]:
    """Everything to ask for, the manifest itself aside.

    ``guarded``: our own function stands before the bucket, which negotiates and hides. ``private``: a login
    is sent with all this. ``generation`` is live.
    """
    asked = [question for key in manifest.files for question in _of_key(key, guarded=guarded)]
    asked.append(Question(_missing_project(manifest), "", Purpose.ABSENT))
    if guarded:
        asked += [Question(path, "", Purpose.HIDDEN) for path in _hidden_paths(generation)]
    if private:
        package = next((key for key in sorted(manifest.files) if key.startswith("packages/")), MANIFEST)
        asked += [Question(_path(key), key, Purpose.STRANGER) for key in dict.fromkeys((MANIFEST, package))]
    return tuple(asked)


def _of_key(key: str, *, guarded: bool) -> Iterator[Question]:
    if key.startswith("packages/"):
        yield Question(_path(key), key, strict=guarded)
        return
    folder = _path(key.removesuffix(HTML_PAGE).removesuffix(JSON_PAGE))
    is_simple, is_json = key.startswith("simple/"), key.endswith(JSON_PAGE)
    if not guarded:
        path = folder if is_simple and not is_json else _path(key)
        yield Question(path, key, accept=HTML if key.endswith(HTML_PAGE) else ANYTHING, gzip=True)
        if is_simple and is_json:
            yield Question(folder, key, Purpose.EITHER, ACCEPT, gzip=True)
        return
    path = folder if key.endswith((HTML_PAGE, JSON_PAGE)) else _path(key)
    accept = ACCEPT if is_json else HTML if key.endswith(HTML_PAGE) else ANYTHING
    yield Question(path, key, accept=accept, gzip=True, strict=True)
    if has_gzip(key):
        yield Question(path, key, Purpose.UNPACKED, accept, strict=True)


def _path(key: str) -> str:
    """As the hrefs of the pages have it."""
    return f"/{quote(key, safe='/!')}"


def _missing_project(manifest: Manifest) -> str:
    name = _MISSING_PROJECT
    while f"simple/{name}/{HTML_PAGE}" in manifest.files:
        name += "-either"
    return f"/simple/{name}/"


def _hidden_paths(generation: int | None) -> Iterator[str]:
    """Paths at which the bucket has something that is nobody's business."""
    for number in dict.fromkeys((1, generation or 1)):
        yield f"/g/{number}/{MANIFEST}"
        yield f"/g/{number}/{MANIFEST}.gz"
    yield from (
        "/.mirror/manifest.json",
        "/%2Emirror/manifest.json",
        "/packages/..%2F.mirror%2Fmanifest.json",
    )


def for_installers(manifest: Manifest) -> tuple[str, ...]:
    """Packages that an installer reads to choose: metadata, and files that have none beside them."""
    return tuple(
        key
        for key in manifest.files
        if key.startswith("packages/")
        and (key.endswith(".metadata") or f"{key}.metadata" not in manifest.files)
        and is_safe_key(key)
    )


def is_safe_key(key: str) -> bool:
    """Whether a key can be a path below a folder."""
    return all(map(is_safe_file_name, key.split("/")))
