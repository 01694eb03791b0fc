"""What a published mirror replied to its clients' questions, and what is wrong with it. Pure.

A reply that is none (an error of the server, a redirect that leads elsewhere) is told apart from a file that
is not there. What belongs here: replies, one by one. What does not: the questions (``domain.questions``), or
how what was given fits together and to the lock (``domain.verification``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mirror_pipeline.domain.generations import Generation
from mirror_pipeline.domain.manifest import MANIFEST, Manifest, parse_manifest
from mirror_pipeline.domain.questions import HTML, Purpose, Question
from mirror_pipeline.domain.serving import HTML_PAGE, JSON_PAGE
from mirror_pipeline.domain.verification import Finding, SiteFacts
from mirror_pipeline.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``trouble`` says, with URL and status, why that is neither a file nor a 'not found'."""

    status: int = 0
    sha256: str = ""
    content_type: str = ""
    content_encoding: str = ""
    cache_control: str = ""
    content: bytes | None = None
    trouble: str = ""

    @property
    def given(self) -> bool:
        """Whether a file was given."""
        return self.status == 200 and not self.trouble


def facts_of(manifest: Manifest, replies: Mapping[Question, Reply]) -> SiteFacts:
    """What the replies say of a site."""
    files = {one.key: reply for one, reply in replies.items() if one.purpose is Purpose.FILE}
    named = {key: reply for key, reply in files.items() if key in manifest.files}
    judged = [_JUDGES[question.purpose](question, reply, manifest) for question, reply in replies.items()]
    findings = tuple(sorted({finding for found in judged for finding in found}, key=str))
    return SiteFacts(
        manifest,
        {key: reply.sha256 for key, reply in named.items() if reply.given},
        {key: reply.content for key, reply in named.items() if reply.given and reply.content is not None},
        {key: reply.trouble for key, reply in named.items() if reply.trouble},
        findings,
        sum(one.key not in manifest.files or one.purpose is not Purpose.FILE for one in replies),
    )


def shows(reply: Reply, manifest: Manifest) -> bool:
    """Whether this is the manifest that was published. It is compared by what it says, not by its bytes."""
    try:
        return reply.content is not None and parse_manifest(reply.content) == manifest
    except DocumentError:
        return False


def is_right(question: Question, reply: Reply, manifest: Manifest) -> bool:
    """Whether the reply is what it should be, the bytes of a file among it."""
    entry = manifest.files.get(question.key) if question.purpose is Purpose.FILE else None
    if entry is not None and (not reply.given or reply.sha256 != entry.sha256):
        return False
    return next(_JUDGES[question.purpose](question, reply, manifest), None) is None


def _judge_file(question: Question, reply: Reply, manifest: Manifest) -> Iterator[Finding]:
    """Headers; whether the bytes are right is judged with all else that is known of them."""
    key, entry = question.key, manifest.files.get(question.key)
    if key == MANIFEST:
        yield from _judge_manifest(reply, manifest)
    if entry is None or not reply.given:
        return
    if key.startswith("packages/") and reply.content_encoding not in ("", "identity"):
        problem = "is sent with a content encoding: clients would unpack it"
        yield Finding("index", key, problem, None, reply.content_encoding)
    kind, caching = reply.content_type, reply.cache_control
    if (question.strict or question.accept == HTML) and _media(kind) != _media(entry.content_type):
        yield Finding("index", key, "is sent as another type", entry.content_type, kind or None)
    if question.strict and _caching(caching) != _caching(entry.cache_control):
        yield Finding("index", key, "caches are told something else", entry.cache_control, caching or None)


def _judge_manifest(reply: Reply, manifest: Manifest) -> Iterator[Finding]:
    if reply.trouble:
        yield Finding("index", MANIFEST, f"could not be read: {reply.trouble}")
    elif not reply.given:
        yield Finding("index", MANIFEST, "published, but missing", manifest.digest)
    elif not shows(reply, manifest):
        yield Finding("index", MANIFEST, "is not that of the live generation", manifest.digest, reply.sha256)


def _judge_unpacked(question: Question, reply: Reply, manifest: Manifest) -> Iterator[Finding]:
    key, wanted = question.key, manifest.files[question.key].sha256
    if reply.trouble:
        yield Finding("index", key, f"could not be read without gzip: {reply.trouble}")
    elif not reply.given:
        yield Finding("index", key, "missing for clients that take no gzip", wanted)
    elif reply.sha256 != wanted:
        problem = "the bytes for clients that take no gzip are not those of the manifest"
        yield Finding("index", key, problem, wanted, reply.sha256)


def _judge_either(question: Question, reply: Reply, manifest: Manifest) -> Iterator[Finding]:
    """Where nobody negotiates, installers may get either page, but as what it is."""
    key = question.key
    keys = [key, key.removesuffix(JSON_PAGE) + HTML_PAGE]
    pages = [manifest.files[name] for name in keys if name in manifest.files]
    if reply.trouble:
        yield Finding("index", key, f"could not be read at {question.path}: {reply.trouble}")
    elif not any(
        (page.sha256, _media(page.content_type)) == (reply.sha256, _media(reply.content_type))
        for page in pages
    ):
        got = f"{reply.sha256}, {reply.content_type}" if reply.given else None
        yield Finding("index", key, f"installers get neither page of it at {question.path}", actual=got)


def _judge_hidden(question: Question, reply: Reply, _manifest: Manifest) -> Iterator[Finding]:
    yield from _judge_refusal(question.path, reply, "can be read from outside")


def _judge_stranger(question: Question, reply: Reply, _manifest: Manifest) -> Iterator[Finding]:
    yield from _judge_refusal(question.key, reply, "can be read without a login, though MIRROR_LOGIN is set")


def _judge_refusal(subject: str, reply: Reply, problem: str) -> Iterator[Finding]:
    if reply.status == 200:
        yield Finding("index", subject, problem)
    elif reply.status not in (401, 403, 404, 410):
        yield Finding("index", subject, f"nobody knows whether it {problem}: {reply.trouble}")


def _judge_absent(question: Question, reply: Reply, _manifest: Manifest) -> Iterator[Finding]:
    """uv goes on to the next index at a 404, and ends at a 403."""
    if reply.status != 404:
        problem = "a project that is not mirrored has to be answered with 404"
        yield Finding("index", question.path, problem, "404", reply.trouble or str(reply.status))


_JUDGES: Mapping[Purpose, Callable[[Question, Reply, Manifest], Iterator[Finding]]] = {
    Purpose.FILE: _judge_file,
    Purpose.UNPACKED: _judge_unpacked,
    Purpose.EITHER: _judge_either,
    Purpose.HIDDEN: _judge_hidden,
    Purpose.ABSENT: _judge_absent,
    Purpose.STRANGER: _judge_stranger,
}


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _caching(value: str) -> frozenset[str]:
    """What caches are told, but for who may share: a private mirror's may not."""
    told = {part.strip().lower() for part in value.split(",")}
    return frozenset(told - {"public", "private", ""})


def with_generation(facts: SiteFacts, generations: Iterable[Generation]) -> SiteFacts:
    """The facts, with the number of the generation whose manifest is shown instead of the live one's."""
    numbers = {one.manifest: one.number for one in generations}

    def named(finding: Finding) -> Finding:
        number = numbers.get(finding.actual or "") if finding.subject == MANIFEST else None
        return finding if number is None else replace(finding, problem=f"generation {number} is shown")

    return replace(facts, findings=tuple(map(named, facts.findings)))
