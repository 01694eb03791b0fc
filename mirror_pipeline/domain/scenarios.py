"""What of a selection is in force at the same time: the combinations an installer would be asked for.

Most locks are made for everything at once, and everything at once is the only scenario that counts. Where
extras or groups exclude each other, or a marker asks that something is *not* selected, what one installs
differs by combination: then the base alone and each group and extra alone on top of it are looked at, and
their results are united.
"""

from __future__ import annotations

from mirror_pipeline.domain.lock import Lock, Selection


def scenarios(lock: Lock, selection: Selection, *, asks_for_absence: bool) -> tuple[Selection, ...]:
    """The selections to walk a lock with, whose united results are what the whole selection wants."""
    chosen = lock.known(selection)
    exclusive = bool(excluding(lock, chosen))
    if not exclusive and not asks_for_absence:
        return (chosen,)
    single = (Selection(), *chosen.parts)
    return single if exclusive else tuple(dict.fromkeys((*single, chosen)))


def excluding(lock: Lock, selection: Selection) -> Selection:
    """Those of the selected groups and extras that exclude each other."""
    chosen = lock.known(selection)
    found = Selection()
    for conflict in lock.conflicts:
        if len(conflict & chosen) > 1:
            found |= conflict & chosen
    return found


def offered(lock: Lock, selection: Selection) -> Selection:
    """What an installer is to be asked for, since not all of it can be installed; nothing where all can."""
    return lock.known(selection) if excluding(lock, selection) else Selection()
