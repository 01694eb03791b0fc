"""Asking upstream for the names of files that locks know by hash only; part of the phase ``requirements``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mirror_pipeline.adapters.upstream import Asked
from mirror_pipeline.domain.lock import Lock, Pin
from mirror_pipeline.domain.naming import Named, named, needs_names, with_names
from mirror_pipeline.phases.mirror import Mirror

DOCUMENT = "named"


@dataclass(frozen=True, slots=True)
class Answers:
    """What upstream said, once and for all: pins whose every hash has found its file."""

    pins: tuple[Named, ...] = ()


def name_files(mirror: Mirror, locks: Sequence[Lock]) -> tuple[tuple[Lock, ...], Answers]:
    """Locks with the file names that are known now; writes nothing. What was complete before is not asked."""
    believing = mirror.settings.allow_unhashed
    wanted = {pin for lock in locks for pin in lock.pins if needs_names(pin, believing=believing)}
    known = mirror.documents.find(DOCUMENT, Answers) or Answers()
    answers = {item.asked: item for item in known.pins if item.asked in wanted}
    answers.update({item.asked: item for item in _ask(mirror, sorted(wanted - answers.keys(), key=_order))})
    found = {asked: item.answer for asked, item in answers.items()}
    complete = sorted(
        (item for item in answers.values() if item.complete), key=lambda item: _order(item.asked)
    )
    return tuple(with_names(lock, found) for lock in locks), Answers(tuple(complete))


def remember(mirror: Mirror, answers: Answers) -> None:
    """Keep what is complete, so that upstream is not asked again and is not believed a second time."""
    if answers != (mirror.documents.find(DOCUMENT, Answers) or Answers()):
        mirror.documents.write(DOCUMENT, answers)


def _order(pin: Pin) -> tuple[str, str]:
    return pin.name, pin.key


def _ask(mirror: Mirror, pins: Sequence[Pin]) -> Iterable[Named]:
    questions = {pin: Asked(pin.name, pin.source.url, pin.source.also) for pin in pins}
    listings = mirror.fetcher.listings(tuple(dict.fromkeys(questions.values())))
    return [named(pin, listings[question]) for pin, question in questions.items()]
