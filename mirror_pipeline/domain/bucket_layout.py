"""What a publication writes into a bucket: keys, headers, and in which order, children before parents.

In generations mode pages lie below ``g/<n>/``, each with a ``.gz`` beside it that the edge hands to clients
which take it. In place they lie where clients ask. What belongs here: uploads as values. What does not:
sending them (``sites``), or the headers that follow from a key (``domain.serving``).
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mirror_pipeline.domain.edge import has_gzip
from mirror_pipeline.domain.manifest import MANIFEST, Entry, Manifest
from mirror_pipeline.domain.objects import Stored, Upload
from mirror_pipeline.domain.serving import HTML_PAGE, PROVENANCE, cache_control, content_type
from mirror_pipeline.errors import ConflictError, DocumentError

Waves = Sequence[Sequence[Upload]]
"""Uploads in the order in which they have to be there: all of one before any of the next."""

PRIVATE = "private, no-store"
ERROR_PAGE = ".mirror/404.txt"
RECORDS = ".mirror/generations/"
_SMALL, _FAST = 6, 1


def generation_key(number: int, key: str) -> str:
    """Where a page of a generation lies."""
    return f"g/{number}/{key}"


def record_key(number: int) -> str:
    """Where it is written what a generation's pages were stored as."""
    return f"{RECORDS}{number}.json"


def number_of(key: str) -> int | None:
    """The generation that a key below ``RECORDS`` is of, None where it is of none."""
    number = key.removeprefix(RECORDS).partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() else None


def packages_of(files: Mapping[str, Entry]) -> dict[str, Entry]:
    """The packages and metadata among published files."""
    return {key: entry for key, entry in files.items() if key.startswith("packages/")}


def package_uploads(manifest: Manifest, folder: Path, known: Mapping[str, Stored]) -> list[Upload]:
    """Packages that the bucket has not. A name that it has with other bytes is refused: it is immutable."""
    uploads = []
    for key, entry in packages_of(manifest.files).items():
        there = known.get(key)
        if there and there.sha256 != entry.sha256:
            raise other_bytes(key, there.sha256, entry.sha256)
        if not there:
            path = folder / key.removeprefix("packages/")
            kind, cache = entry.content_type, entry.cache_control
            uploads.append(Upload(key, path, entry.sha256, entry.size, kind, cache))
    return uploads


def other_bytes(key: str, there: str, wanted: str) -> ConflictError:
    """A package's name is taken in the bucket."""
    return ConflictError(
        f"{key}: the bucket has other bytes under this name: {there[:12]}… where {wanted[:12]}… is wanted",
        hint="a published file never changes; give the new build another name, or use another bucket",
        file=key.removeprefix("packages/"),
        digests=[there, wanted],
    )


def staged_pages(
    number: int, pages: Mapping[str, bytes], compress: Callable[[Iterable[bytes]], Iterable[bytes]]
) -> Waves:
    """A generation's pages below its number, gzip variants included; ``compress`` may work side by side."""
    plain = [_page(generation_key(number, key), key, content) for key, content in pages.items()]
    packed = [key for key in pages if has_gzip(key)]
    variants = zip(packed, compress(pages[key] for key in packed), strict=True)
    zipped = [_page(f"{generation_key(number, key)}.gz", key, content, "gzip") for key, content in variants]
    prefix = generation_key(number, "")
    return _in_order([*plain, *zipped], prefix)


def compressed(content: bytes) -> bytes:
    """Gzip without time and name: the same page gives the same bytes."""
    return gzip.compress(content, _SMALL, mtime=0)


def placed_pages(pages: Mapping[str, bytes], *, folders: bool) -> Waves:
    """Pages at the keys where clients ask; ``folders``: also as objects whose name ends in a slash."""
    uploads = [_page(key, key, content) for key, content in pages.items()]
    if folders:
        uploads += [
            _page(key.removesuffix(HTML_PAGE), key, content)
            for key, content in pages.items()
            if key.endswith(f"/{HTML_PAGE}")
        ]
    return _in_order(uploads, "")


def _in_order(uploads: Sequence[Upload], prefix: str) -> Waves:
    """What pages link to before them, project pages before what lists them, and the manifest last."""

    def rank(upload: Upload) -> int:
        key = upload.key.removeprefix(prefix).removesuffix(".gz")
        if key == MANIFEST:
            return 3
        if key.endswith(PROVENANCE):
            return 0
        return 2 if key == HTML_PAGE or (key.startswith("simple/") and key.count("/") == 1) else 1

    waves: tuple[list[Upload], ...] = ([], [], [], [])
    for upload in uploads:
        waves[rank(upload)].append(upload)
    return [wave for wave in waves if wave]


def _page(key: str, public: str, content: bytes, encoding: str = "") -> Upload:
    digest = hashlib.sha256(content).hexdigest()
    kind, cache = content_type(public), cache_control(public)
    return Upload(key, content, digest, len(content), kind, cache, encoding)


def document(key: str, content: bytes) -> Upload:
    """One of the publisher's own documents: no cache may keep it."""
    digest = hashlib.sha256(content).hexdigest()
    return Upload(key, content, digest, len(content), "application/json", PRIVATE)


def error_page() -> Upload:
    """What the distribution answers for what is not there."""
    content = b"Not Found\n"
    digest = hashlib.sha256(content).hexdigest()
    return Upload(ERROR_PAGE, content, digest, len(content), "text/plain", "public, max-age=10")


def archive(pages: Mapping[str, bytes]) -> bytes:
    """All pages of a generation in one object, for a mode that keeps them nowhere else.

    A line of JSON with keys and lengths, then the pages one after another; it is written each time and
    seldom read, hence packed fast rather than small.
    """
    keys = sorted(pages)
    lengths = json.dumps([[key, len(pages[key])] for key in keys], ensure_ascii=False)
    content = b"".join([lengths.encode(), b"\n", *(pages[key] for key in keys)])
    return gzip.compress(content, _FAST, mtime=0)


def archived(content: bytes, name: str) -> dict[str, bytes]:
    """The inverse of ``archive``."""
    try:
        lengths, _, rest = gzip.decompress(content).partition(b"\n")
        sizes = [(str(key), int(size)) for key, size in json.loads(lengths)]
        ends = itertools.accumulate(size for _, size in sizes)
        pages = {key: rest[end - size : end] for (key, size), end in zip(sizes, ends, strict=True)}
    except (OSError, EOFError, ValueError, TypeError, RecursionError, zlib.error) as error:
        raise DocumentError(f"{name}: not an archive of pages: {error!r}", document=name) from None
    if sum(size for _, size in sizes) != len(rest):
        raise DocumentError(f"{name}: not an archive of pages: {len(rest)} bytes of them", document=name)
    return pages


def removed_pages(placed: Iterable[str], target: Waves) -> tuple[str, ...]:
    """Keys of placed pages that are no longer wanted."""
    wanted = {upload.key for wave in target for upload in wave}
    return tuple(sorted(key for key in placed if key not in wanted))


def differing(target: Waves, placed: Mapping[str, Stored]) -> Waves:
    """What has to be written: absent, or with other bytes."""

    def is_there(upload: Upload) -> bool:
        there = placed.get(upload.key)
        return there is not None and there.sha256 == upload.sha256

    waves = [[upload for upload in wave if not is_there(upload)] for wave in target]
    return [wave for wave in waves if wave]


def keys_of(waves: Waves) -> Iterator[str]:
    """Every key of some waves."""
    return (upload.key for wave in waves for upload in wave)
