"""Names for files that a lock knows by hash only: joined on SHA-256 with what upstream pages list.

Requirements files, Pipfile.lock and the oldest poetry locks tell hashes, no file names. An upstream's page
tells both. The hash decides: which name a file has is taken from upstream, which bytes it has never is. Only
for pins that the lock gives no hash at all, and only where that is allowed, are the page's hashes believed.
That happens once: what was believed is remembered, so that other bytes later are found out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from mirror_pipeline.domain.artifact import is_safe_file_name, is_sdist, wheel_tags
from mirror_pipeline.domain.lock import Lock, LockedFile, Pin, Source
from mirror_pipeline.domain.wheelset import UpstreamFile
from mirror_pipeline.errors import LockError

Listing = Sequence[tuple[str | None, Sequence[UpstreamFile]]]
"""What indexes list of a project, in the order in which they count; None stands for a configured one."""

_SHOWN = 3


@dataclass(frozen=True, slots=True, order=True)
class UnknownHashes:
    """SHA-256 that a lock accepts for a pin and that no upstream asked knows a file for."""

    project: NormalizedName
    version: str
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A pin as its lock has it, and with the file names that an upstream knew."""

    asked: Pin
    answer: Pin

    @property
    def complete(self) -> bool:
        """Whether every hash has found its file; what is incomplete is worth asking again."""
        return bool(self.answer.files) and not self.answer.hashes


def needs_names(pin: Pin, *, believing: bool = False) -> bool:
    """Whether an upstream has to be asked for file names of this pin.

    ``believing``: also where the lock tells neither a file nor a hash, for then upstream may say both.
    """
    nothing = not pin.files and not pin.hashes
    return pin.source.kind == "registry" and (pin.unhashed or bool(pin.hashes) or (believing and nothing))


def is_nowhere(pin: Pin) -> bool:
    """Whether the lock says which files are accepted, and none of them is known by name."""
    return pin.source.kind == "registry" and bool(pin.hashes) and not pin.files


def named(pin: Pin, listing: Listing) -> Named:
    """Take the files of a pin from the first index that lists any of them, and from that one only.

    Without a hash of its own every file of the version is taken, by the hash that the index states.
    """
    asked = pin
    if not pin.hashes and not pin.files:
        pin = replace(pin, unhashed=True)
    for index, files in listing:
        found = _accepted(pin, files)
        if found:
            digests, known = _digests(found), _digests(pin.files)
            own = [file for file in found if file.sha256 not in known and not _of_another_release(file, pin)]
            answer = replace(
                pin,
                files=(*pin.files, *own),
                hashes=tuple(digest for digest in pin.hashes if digest not in digests),
                source=Source("registry", index),
                unhashed=False,
            )
            return Named(asked, answer)
    return Named(asked, replace(pin, unhashed=False))


def _digests(files: Iterable[LockedFile]) -> frozenset[str]:
    return frozenset(file.sha256 for file in files)


def _accepted(pin: Pin, files: Iterable[UpstreamFile]) -> tuple[LockedFile, ...]:
    wanted = frozenset(pin.hashes)
    found = {
        file.file: LockedFile(file.file, file.sha256, file.size)
        for file in files
        if file.sha256 is not None
        and is_safe_file_name(file.file)
        and not _is_wheel_of_another(file.file, pin)
        and (file.sha256 in wanted or (pin.unhashed and release_of(file.file) == pin.version))
    }
    return tuple(found[name] for name in sorted(found))


def _is_wheel_of_another(file: str, pin: Pin) -> bool:
    """A page may say anything: bytes are held to the lock's hash, and a wheel's name to the pin's."""
    return wheel_tags(file) is not None and canonicalize_name(file.split("-")[0]) != pin.name


def release_of(file: str) -> Version | None:
    """The version that the name of a wheel or an sdist tells, None for other files and odd names."""
    if wheel_tags(file) is not None:
        text = file.split("-")[1]
    elif is_sdist(file):
        text = file.rpartition("-")[2].removesuffix(".tar.gz").removesuffix(".zip")
    else:
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _of_another_release(file: LockedFile, pin: Pin) -> bool:
    """The oldest locks have one list of hashes for all versions of a name. A local build is no other one."""
    told = release_of(file.name)
    return told is not None and told.public != pin.version.public


def with_names(lock: Lock, answers: Mapping[Pin, Pin]) -> Lock:
    """The lock with the pins that were asked about replaced by what was found."""
    return replace(lock, pins=tuple(answers.get(pin, pin) for pin in lock.pins))


def unknown_hashes(locks: Iterable[Lock]) -> tuple[UnknownHashes, ...]:
    """What is left of hashes, once names were looked for."""
    return tuple(
        sorted(
            {
                UnknownHashes(pin.name, str(pin.version), pin.hashes)
                for lock in locks
                for pin in lock.pins
                if pin.hashes and pin.source.mirrored
            }
        )
    )


def told(unknown: Sequence[UnknownHashes]) -> tuple[str, ...]:
    """One warning about unknown hashes, none where there are none."""
    if not unknown:
        return ()
    shown = ", ".join(f"{u.project}=={u.version} ({len(u.hashes)})" for u in unknown[:_SHOWN])
    more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    total = sum(len(item.hashes) for item in unknown)
    return (f"{total} locked hashes are of files that no upstream lists: {shown}{more}",)


def refuse_unhashed(lock: Lock, path: str) -> None:
    """A pin without a hash cannot be checked: it is refused unless that was asked for."""
    without = sorted({pin.label for pin in lock.pins if pin.unhashed and pin.source.mirrored})
    if without:
        shown = ", ".join(without[:_SHOWN]) + (
            f" and {len(without) - _SHOWN} more" if without[_SHOWN:] else ""
        )
        raise LockError(
            f"{path}: no hash is locked for {shown}: what arrives could not be checked",
            hint="lock with hashes, or set MIRROR_ALLOW_UNHASHED=true to believe the upstream once",
            lock=path,
            package=without[0],
            packages=without,
        )
