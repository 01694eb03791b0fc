"""Looking at a published mirror from outside, at its URL, through all that stands before the bucket.

Caches are given the time that they are told to take: a look that comes right after a publication must not
find faults that are gone a minute later. What belongs here: the order of looking. What does not: requests
(``adapters.published``), what is asked (``domain.questions``) and what is right (``domain.published``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from mirror_pipeline.adapters.aws import waiting
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.adapters.published import Published
from mirror_pipeline.domain.manifest import Manifest
from mirror_pipeline.domain.published import Reply, facts_of, is_right, shows
from mirror_pipeline.domain.questions import MANIFEST_QUESTION, Purpose, Question, questions
from mirror_pipeline.domain.retry import is_transient
from mirror_pipeline.domain.verification import SiteFacts
from mirror_pipeline.errors import CloudError, CloudUnreachableError
from mirror_pipeline.sites.looking import LABEL, NOTHING

_PATIENCE, _EVERY = 90.0, 5.0
"""Seconds in which an edge has to show what was published, and between looks."""
_KEPT = 65.0
"""Seconds after which no cache may give an old page without asking (``domain.serving.REVALIDATED``)."""


class HttpLooker:
    """Asks for everything as a client. ``guarded``: our own function stands before the bucket."""

    def __init__(
        self,
        url: str,
        login: str = "",
        concurrency: int = 16,
        *,
        guarded: bool,
        config: PipConfig | None = None,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._published = Published(url, login, concurrency, config=config, wait=pause)
        self._guarded = guarded
        self._pause = pause or time.sleep

    def observe(
        self, manifest: Manifest | None, progress: Progress, generation: int | None = None
    ) -> SiteFacts:
        """What a client gets of the manifest and of all that it names, and what it should not get."""
        if manifest is None:
            return NOTHING
        first = self._public_manifest(manifest, progress)
        asked = questions(
            manifest, guarded=self._guarded, private=self._published.private, generation=generation
        )
        sizes = {key: entry.size for key, entry in manifest.files.items()}
        size = sum(sizes.get(question.key, 0) for question in asked)
        with progress.work(LABEL, len(asked), size) as advance:
            replies = self._published.ask(asked, lambda one, _: advance(one.path, sizes.get(one.key, 0)))
        if not self._guarded:
            replies = {**replies, **self._once_more(manifest, replies, progress)}
        return facts_of(manifest, {MANIFEST_QUESTION: first, **replies})

    @contextmanager
    def for_installers(self, facts: SiteFacts) -> Iterator[str]:
        """The URL itself, with the login: what an installer says of it is to be redacted."""
        yield self._published.url_with_login

    def _public_manifest(self, manifest: Manifest, progress: Progress) -> Reply:
        """Asked for alone and first: where even this cannot be had, nothing can."""
        replies = [self._ask_for_manifest()]

        def look() -> bool:
            replies.append(self._ask_for_manifest())
            return shows(replies[-1], manifest)

        if not shows(replies[0], manifest):
            shown = f"{self._published.url} does not show what was published last"
            progress.say(f"{shown}; waiting for it for up to {_PATIENCE:.0f} seconds")
            waiting(look, self._pause, seconds=_PATIENCE, every=_EVERY)
        return replies[-1]

    def _ask_for_manifest(self) -> Reply:
        (reply,) = self._ask([MANIFEST_QUESTION]).values()
        if reply.trouble:
            kind = CloudUnreachableError if not reply.status or is_transient(reply.status) else CloudError
            raise kind(
                reply.trouble,
                hint="is MIRROR_PUBLIC_URL the address that clients have?",
                url=self._published.url,
                status=reply.status or None,
            )
        return reply

    def _once_more(
        self, manifest: Manifest, replies: Mapping[Question, Reply], progress: Progress
    ) -> Mapping[Question, Reply]:
        """Pages that are not those of now, asked for when no cache may have the old ones any longer."""
        doubtful = [
            question
            for question, reply in replies.items()
            if question.purpose in (Purpose.FILE, Purpose.EITHER)
            and not question.key.startswith("packages/")
            and not reply.trouble
            and not is_right(question, reply, manifest)
        ]
        if not doubtful:
            return {}
        progress.say(f"{len(doubtful)} pages are not those of now; asking again in {_KEPT:.0f} seconds")
        self._pause(_KEPT)
        return self._ask(doubtful)

    def _ask(self, asked: Iterable[Question]) -> Mapping[Question, Reply]:
        return self._published.ask(asked, lambda _question, _reply: None)
