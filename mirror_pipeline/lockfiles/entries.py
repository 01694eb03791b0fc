"""Files as locks name them: a safe name and a SHA-256, or a refusal that says which entry is wrong."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from mirror_pipeline.domain.artifact import is_safe_file_name, is_sha256
from mirror_pipeline.domain.lock import LockedFile
from mirror_pipeline.lockfiles.table import Table


def locked_file(
    entry: Table,
    name: str,
    digest: str,
    *,
    key: str = "hash",
    size: int | None = None,
    url: str | None = None,
) -> LockedFile:
    """A file entry whose digest is written ``sha256:<hex>``; ``key`` is where the digest stands."""
    return LockedFile(safe_name(entry, name), sha256_in(entry, digest, key, name), size, url)


def safe_name(entry: Table, name: str, key: str = "file") -> str:
    """A file name that can be stored and served as it stands."""
    if not is_safe_file_name(name):
        raise entry.error(key, f"{name!r} is not a safe file name", file=name)
    return name


def sha256_in(entry: Table, digest: str, key: str, file: str) -> str:
    """The hexadecimal part of ``sha256:<hex>``."""
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or not is_sha256(value):
        raise entry.error(
            key, f"{file}: expected sha256:<64 hexadecimal digits>, found {digest!r}", file=file
        )
    return value


def name_in_url(entry: Table, url: str, key: str = "url") -> str:
    """The file name at the end of a URL, percent-decoded; a separator hidden by that is refused."""
    try:
        path = urlsplit(url).path
    except ValueError:
        raise entry.error(key, f"{url!r} is not a URL") from None
    return safe_name(entry, unquote(path.rpartition("/")[2]), key)
