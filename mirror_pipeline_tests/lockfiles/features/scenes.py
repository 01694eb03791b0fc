"""What a lock is to say, before any format has a say in how: a few pins, and who wants them.

A scene is the smallest project that shows a feature. ``features.writers`` makes a lock of it in each format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mirror_pipeline.domain.lock import SourceKind
from mirror_pipeline_tests.locks import digest_of, wheel_name

OTHER_INDEX = "https://other.example/simple"


@dataclass(frozen=True)
class Place:
    """Where a pin comes from, if not from the project's usual index."""

    kind: SourceKind
    at: str


@dataclass(frozen=True)
class Item:
    """One pin: wanted by the project itself, by a group, by an extra, or (not ``direct``) by others alone.

    ``marker`` is a PEP 508 marker of the environment; ``needs`` are names of other items.
    """

    name: str
    version: str = "1.0"
    group: str = ""
    extra: str = ""
    marker: str = ""
    files: tuple[str, ...] | None = None
    place: Place | None = None
    needs: tuple[str, ...] = ()
    direct: bool = True

    @property
    def label(self) -> str:
        """``name==version``."""
        return f"{self.name}=={self.version}"

    @property
    def file_names(self) -> tuple[str, ...]:
        """Its files; one pure wheel where nothing else is said, none where the source is no archive."""
        if self.files is None:
            outside = self.place is not None and self.place.kind not in ("registry", "url")
            return () if outside else (wheel_name(self.name, self.version),)
        return self.files

    @property
    def digests(self) -> Mapping[str, str]:
        """Its files with a SHA-256 each."""
        return {name: digest_of(name) for name in self.file_names}


@dataclass(frozen=True)
class Scene:
    """A project's pins and what its lock says of itself; ``only_on`` is the one platform that it is for."""

    items: tuple[Item, ...] = field(default=(Item("alpha"),))
    requires_python: str = ">=3.10"
    only_on: str = ""

    @property
    def main(self) -> tuple[Item, ...]:
        """What the project itself asks for."""
        return tuple(item for item in self.items if item.direct and not item.group and not item.extra)

    @property
    def groups(self) -> Mapping[str, tuple[Item, ...]]:
        """What its groups ask for."""
        names = dict.fromkeys(item.group for item in self.items if item.group)
        return {name: tuple(item for item in self.items if item.group == name) for name in names}

    @property
    def extras(self) -> Mapping[str, tuple[Item, ...]]:
        """What its extras ask for."""
        names = dict.fromkeys(item.extra for item in self.items if item.extra)
        return {name: tuple(item for item in self.items if item.extra == name) for name in names}
