"""A published mirror over HTTP, as its clients get it: many questions at once, one reply for each.

Files are hashed while they arrive and not kept, but for pages. A login is for the mirror's own host: a
redirect that leads elsewhere is not followed, but told. What does not belong here: what is asked
(``domain.questions``), and whether the replies are right (``domain.published``).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

from mirror_pipeline.adapters.credentials import Credentials, Keyring
from mirror_pipeline.adapters.pip_config import PipConfig, read_pip_config
from mirror_pipeline.adapters.retrying import Retrier, StatusError
from mirror_pipeline.adapters.transfer import Answer
from mirror_pipeline.adapters.transport import Transport
from mirror_pipeline.adapters.urls import origin, redacted
from mirror_pipeline.domain.published import Reply
from mirror_pipeline.domain.questions import Purpose, Question
from mirror_pipeline.errors import CloudUnreachableError, CredentialsError, UpstreamError

OnReply = Callable[[Question, Reply], None]

_MOST_TROUBLES = 50
"""Questions that are given up after every attempt; more of them, and there is no use in asking on."""
_REDIRECT = 302
_NOT_THERE = frozenset({404, 410})
_TOLD = ("content-type", "content-encoding", "cache-control")


class _ElsewhereError(Exception):
    """A redirect to another host, port or scheme."""


class Published:
    """One mirror at its URL. ``login`` is ``name:token``; ``wait`` is called between attempts."""

    def __init__(
        self,
        url: str,
        login: str = "",
        concurrency: int = 16,
        *,
        config: PipConfig | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.url, self._login, self._concurrency = url, login, concurrency
        self._config = config
        self._cancelled = threading.Event()
        self._retrier = Retrier(wait or self._cancelled.wait)
        self._transports: Mapping[bool, Transport] = {}
        self._troubles = 0
        self._guard = threading.Lock()

    @property
    def private(self) -> bool:
        """Whether a login is sent."""
        return bool(self._login)

    @property
    def url_with_login(self) -> str:
        """The URL as a client with the login has it in its configuration: a secret."""
        if not self._login:
            return self.url
        parts, (name, _, token) = urlsplit(self.url), self._login.partition(":")
        return urlunsplit(
            parts._replace(netloc=f"{quote(name, safe='')}:{quote(token, safe='')}@{parts.netloc}")
        )

    def ask(self, questions: Iterable[Question], on_reply: OnReply) -> Mapping[Question, Reply]:
        """Every question with its reply.

        A mirror that does not let this client in is a ``CredentialsError``, one that cannot be reached or is
        in trouble as a whole a ``CloudUnreachableError``; what is wrong with one file its reply tells.
        """
        replies: dict[Question, Reply] = {}
        self._connect()
        self._troubles = 0
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="look") as pool:
            tasks = {pool.submit(self._reply, question): question for question in questions}
            try:
                for task in as_completed(tasks):
                    question = tasks[task]
                    replies[question] = task.result()
                    on_reply(question, replies[question])
            except BaseException:
                self._cancelled.set()
                pool.shutdown(wait=True, cancel_futures=True)
                self._cancelled.clear()
                raise
        return replies

    def _reply(self, question: Question) -> Reply:
        url = f"{self.url}{question.path}"
        try:
            return self._retrier.run(url, lambda: self._once(url, question))
        except _ElsewhereError as error:
            return Reply(_REDIRECT, trouble=f"{url} redirects to {error}")
        except UpstreamError as error:
            return self._troubled(error, question)

    def _once(self, url: str, question: Question) -> Reply:
        """One attempt. What is compressed on the way is unpacked only where the question allows it."""
        digest, kept = hashlib.sha256(), bytearray()

        def sink(head: Answer, chunk: bytes) -> None:
            if head.status == 200:
                digest.update(chunk)
                if question.keeps:
                    kept.extend(chunk)

        transport = self._transports[question.purpose is Purpose.STRANGER]
        headers = {"Accept": question.accept, **({} if question.gzip else {"Accept-Encoding": "identity"})}
        answer = transport.get(url, sink, headers, decode=question.gzip, on_redirect=self._stay)
        if answer.status in _NOT_THERE:
            return Reply(answer.status)
        if answer.status != 200:
            raise StatusError(answer, url)
        kind, encoding, caching = (answer.headers.get(name, "") for name in _TOLD)
        content = bytes(kept) if question.keeps else None
        return Reply(200, digest.hexdigest(), kind, encoding, caching, content)

    def _stay(self, target: str) -> None:
        if origin(target) != origin(self.url):
            raise _ElsewhereError(redacted(target))

    def _troubled(self, error: UpstreamError, question: Question) -> Reply:
        """What is wrong with one file, or an error where it is the whole mirror."""
        status, attempts = error.facts.get("status"), error.facts.get("attempts")
        if error.facts.get("unreachable"):
            raise CloudUnreachableError(
                error.message, hint="check the network, the proxy and MIRROR_PUBLIC_URL", **error.facts
            ) from error
        if status == 401 and question.purpose is not Purpose.STRANGER:
            raise self._refused(str(error.facts["url"])) from error
        with self._guard:
            self._troubles += isinstance(attempts, int) and attempts > 1
            if self._troubles > _MOST_TROUBLES:
                line = f"{error.message}, after {_MOST_TROUBLES} others that were given up"
                raise CloudUnreachableError(line, hint="try again later", **error.facts) from error
        return Reply(status if isinstance(status, int) else 0, trouble=error.message)

    def _refused(self, url: str) -> CredentialsError:
        problem = "does not let in the name and token of MIRROR_LOGIN" if self._login else "is private"
        hint = "'mirror-pipeline token list' tells who may read" if self._login else (
            "set MIRROR_LOGIN=name:token in the environment"
        )  # fmt: skip
        return CredentialsError(f"{url}: HTTP 401: the mirror {problem}", hint=hint, url=url, status=401)

    def _connect(self) -> None:
        """One client with the login, and a stranger who has none, also not netrc's or the keyring's."""
        if not self._transports:
            config = self._config or read_pip_config()
            client = Credentials((self.url_with_login,), Keyring(config.keyring_provider))
            stranger = Credentials((), Keyring("disabled"))
            self._transports = {
                False: Transport(config, self._cancelled, client),
                True: Transport(replace(config, netrc=os.devnull), self._cancelled, stranger),
            }
