"""Pins of locks that tell hashes and no file names, gathered line by line or section by section.

Pipfile.lock and requirements files say of a pin that it is wanted here and there; each saying is an edge,
and what they agree on is one pin that accepts what any of them accepts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from packaging.markers import Marker
from packaging.utils import NormalizedName
from packaging.version import Version

from mirror_pipeline.domain.lock import Edge, LockedFile, Pin, Root, Source

_REGISTRY = Source()


@dataclass(frozen=True, slots=True)
class Locked:
    """What one place of a lock says of a pin. ``file`` is given where the source is a file at a URL."""

    name: NormalizedName
    version: Version
    source: Source = _REGISTRY
    hashes: tuple[str, ...] = ()
    file: LockedFile | None = None

    @property
    def release(self) -> tuple[Version, str, str | None]:
        """What two places that name the same project have to agree on; further indexes add up."""
        return self.version, self.source.kind, self.source.url


class Gathered:
    """The pins and edges found so far, in the order in which they were first found."""

    def __init__(self) -> None:
        self._pins: dict[tuple[object, ...], Pin] = {}
        self._edges: dict[Edge, None] = {}
        self._taken: set[str] = set()

    def add(self, locked: Locked, root: Root, marker: Marker | None) -> None:
        """One saying: ``root`` wants the pin where the marker holds."""
        key = (locked.name, *locked.release)
        pin = self._pins.get(key) or self._new(locked)
        self._pins[key] = pin = _with_what_is_accepted(pin, locked)
        self._edges[Edge(root, pin.key, marker=marker)] = None

    def _new(self, locked: Locked) -> Pin:
        label = f"{locked.name}=={locked.version}"
        key, number = label, 1
        while key in self._taken:  # the same release from several sources; URLs may hold credentials
            number += 1
            key = f"{label} #{number}"
        self._taken.add(key)
        return Pin(key, locked.name, locked.version, (), locked.source)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Each release from each source once."""
        return tuple(self._pins.values())

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Each saying once."""
        return tuple(self._edges)


def _with_what_is_accepted(pin: Pin, locked: Locked) -> Pin:
    files = tuple(dict.fromkeys((*pin.files, *((locked.file,) if locked.file else ()))))
    hashes = tuple(dict.fromkeys((*pin.hashes, *locked.hashes)))
    source = replace(pin.source, also=tuple(dict.fromkeys((*pin.source.also, *locked.source.also))))
    unhashed = source.mirrored and not files and not hashes
    return replace(pin, files=files, source=source, hashes=hashes, unhashed=unhashed)


def both(one: Marker | None, other: Marker | None) -> Marker | None:
    """The marker that holds where both do; None holds everywhere."""
    return Marker(f"({one}) and ({other})") if one and other else one or other
