"""Looking at a published mirror from outside: what clients get is found out, each fault of a CDN named."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.request import urlopen

import pytest

from mirror_pipeline.adapters.installer import find_installer, judge
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.progress import Lines, Silent
from mirror_pipeline.adapters.server import serving
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.generations import Provenance, record_of
from mirror_pipeline.domain.manifest import MANIFEST, Manifest, make_manifest
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.published import with_generation
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.domain.verification import Finding, SiteFacts, judge_index, judge_integrity
from mirror_pipeline.domain.wheelset import Held, WheelSet, by_project
from mirror_pipeline.errors import CloudError, CloudUnreachableError, CredentialsError, MirrorError
from mirror_pipeline.sites.directory import DirectorySite
from mirror_pipeline.sites.http_looking import HttpLooker
from mirror_pipeline.sites.looking import BucketLooker
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.fakes import MemoryObjects, upload_of
from mirror_pipeline_tests.sites.cdn import Cdn, running, source_of
from mirror_pipeline_tests.wheels import Dist, sdist, wheel

ALPHA, LOCAL, SOURCE = wheel("alpha"), wheel("local", "2.0+cpu.1", payload=300_000), sdist("source")
DISTS = (ALPHA, LOCAL, SOURCE)
ARTIFACTS = tuple(dist.artifact() for dist in DISTS)
LINUX = Target(PLATFORMS["linux-x86_64"], Python(12))
HTML, JSON = "simple/alpha/index.html", "simple/alpha/index.v1_json"
SECRET = "s3cret/with:signs"
LOGIN = f"ci:{SECRET}"


@dataclass(frozen=True)
class Mirror:
    """A published mirror: every key with its content, and the publication that it came from."""

    publication: Publication
    files: Mapping[str, bytes]

    @property
    def manifest(self) -> Manifest:
        return self.publication.manifest


def made(home: Path, *dists: Dist, requirements: str = "r1") -> Mirror:
    store = WheelStore(home)
    store.prepare()
    held = []
    for dist in dists:
        store.path(dist.file).write_bytes(dist.content)
        metadata = store.core_metadata(dist.file) if dist.artifact().is_wheel else None
        held.append(Held(dist.artifact(), dist.size, metadata, dist.requires_python))
    pages = {
        **page_files(by_project([WheelSet("noarch", tuple(held))])),
        "index.html": b"<p>for people</p>",
        "project/alpha/index.html": b"<p>alpha</p>",
        "requirements-prod.txt": b"alpha==1.0\n",
        "pylock/pylock.linux-x86_64.toml": b'lock-version = "1.0"\n',
        "assets/logo.png": b"\x89PNG",
    }
    manifest = make_manifest(requirements, ["noarch"], pages, held)
    packages = {key: (home / key).read_bytes() for key in manifest.files if key.startswith("packages/")}
    provenance = Provenance("2026-11-01T00:00:00+00:00", "ann@example", "")
    publication = Publication(pages, manifest, store.packages, provenance)
    return Mirror(publication, {**pages, **packages, MANIFEST: manifest.to_bytes()})


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    return made(tmp_path_factory.mktemp("home"), *DISTS)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    return made(tmp_path_factory.mktemp("older"), ALPHA, requirements="r0")


@dataclass
class Subject:
    """A mirror behind a CDN, and somebody who looks at it."""

    mirror: Mirror
    cdn: Cdn
    url: str = ""
    paused: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def looker(self, login: str = "", url: str = "") -> HttpLooker:
        return HttpLooker(
            url or self.url,
            login,
            4,
            guarded=self.cdn.guarded,
            config=PipConfig("", timeout=5.0, keyring_provider="disabled"),
            pause=self.paused.append,
        )

    def look(self, login: str = "", generation: int | None = None) -> SiteFacts:
        return self.looker(login).observe(self.mirror.manifest, Lines(self.said.append), generation)

    def findings(self, login: str = "") -> set[tuple[str, str]]:
        """Of all layers that judge what was given: subject and problem."""
        return {(found.subject, found.problem) for found in findings_of(self.look(login))}

    def asked(self, path: str) -> list[int]:
        return [one.status for one in self.cdn.requests if one.path == path]


def findings_of(facts: SiteFacts) -> tuple[Finding, ...]:
    return (
        *judge_integrity(ARTIFACTS, facts.digests, facts.unread).findings,
        *judge_index(ARTIFACTS, facts, "r1").findings,
    )


@contextmanager
def subject_of(mirror: Mirror, *, guarded: bool) -> Iterator[Subject]:
    cdn = Cdn(source_of(mirror.files), guarded)
    with running(cdn) as url:
        yield Subject(mirror, cdn, url)


@pytest.fixture
def subject(mirror: Mirror) -> Iterator[Subject]:
    """Behind our own function."""
    with subject_of(mirror, guarded=True) as subject:
        yield subject


@pytest.fixture
def plain(mirror: Mirror) -> Iterator[Subject]:
    """Behind somebody else's server, which knows folders and no negotiation."""
    with subject_of(mirror, guarded=False) as subject:
        yield subject


@pytest.fixture(params=["guarded", "plain"])
def either(request: pytest.FixtureRequest, mirror: Mirror) -> Iterator[Subject]:
    with subject_of(mirror, guarded=request.param == "guarded") as subject:
        yield subject


# As it should be.


def test_a_mirror_as_it_should_be(either: Subject) -> None:
    facts = either.look()

    assert findings_of(facts) == ()
    manifest = either.mirror.manifest
    assert facts.digests == {key: entry.sha256 for key, entry in manifest.files.items()}
    assert facts.pages == {k: v for k, v in either.mirror.files.items() if k.startswith("simple/")}
    assert facts.manifest == manifest
    assert either.paused == []
    assert facts.asked > 0


def test_pages_are_asked_for_as_clients_do(subject: Subject) -> None:
    subject.look()

    by_path: dict[str, set[str]] = {}
    for one in subject.cdn.requests:
        by_path.setdefault(one.path, set()).add(one.accept.partition(",")[0])
    assert by_path["/simple/alpha/"] == {"text/html", "application/vnd.pypi.simple.v1+json"}
    assert f"/packages/{LOCAL.file.replace('+', '%2B')}" in by_path
    assert "/project/alpha/" in by_path
    assert not any(path.endswith(("index.html", "index.v1_json")) for path in by_path)


def test_nothing_published_is_nothing_to_look_at(subject: Subject) -> None:
    assert subject.looker().observe(None, Silent()) == SiteFacts(None, {}, {})
    assert subject.cdn.requests == []


def test_a_directory_behind_serve_is_as_it_should_be(mirror: Mirror, tmp_path: Path) -> None:
    """The other server of ours, without gzip variants."""
    home = tmp_path / "home"
    copied = made(home, *DISTS)
    site = DirectorySite(home)
    site.publish(copied.publication, Silent())
    with serving(site.link) as url:
        config = PipConfig("", keyring_provider="disabled")
        facts = HttpLooker(url, guarded=True, config=config).observe(copied.manifest, Silent())
    assert findings_of(facts) == ()


# Bytes.


@pytest.mark.parametrize("key", [f"packages/{ALPHA.file}", f"packages/{LOCAL.file}"])
def test_a_flipped_byte_of_a_package(either: Subject, key: str) -> None:
    content = bytearray(either.mirror.files[key])
    content[len(content) // 2] ^= 1
    either.cdn.changed[key, False] = bytes(content)

    assert either.findings() == {
        (key.removeprefix("packages/"), "the bytes are not those of the lock"),
        (key, "the bytes are not those of the manifest"),
    }


def test_a_package_that_is_not_there(either: Subject) -> None:
    either.cdn.changed[f"packages/{ALPHA.file}", False] = None

    assert (ALPHA.file, "the file is missing") in either.findings()


def test_metadata_that_was_changed(either: Subject) -> None:
    key = f"packages/{ALPHA.file}.metadata"
    either.cdn.changed[key, False] = b"Metadata-Version: 2.1\n"

    assert (key, "the bytes are not those of the manifest") in either.findings()


@pytest.mark.parametrize("key", [HTML, JSON, "requirements-prod.txt", "index.html", "simple/index.v1_json"])
def test_a_page_that_differs_for_clients_that_take_gzip(subject: Subject, key: str) -> None:
    """Each page lies there twice, and only one of them is damaged."""
    subject.cdn.changed[key, True] = source_of({key: subject.mirror.files[key] + b" "})(key, True)

    assert subject.findings() == {(key, "the bytes are not those of the manifest")}


def test_a_page_that_differs_for_clients_that_take_no_gzip(subject: Subject) -> None:
    subject.cdn.changed[HTML, False] = b"<html>"

    assert subject.findings() == {
        (HTML, "the bytes for clients that take no gzip are not those of the manifest")
    }


def test_a_page_whose_variants_are_missing(subject: Subject) -> None:
    subject.cdn.changed[HTML, True] = None
    subject.cdn.changed[JSON, False] = None

    assert subject.findings() == {
        (HTML, "named by the manifest, but missing"),
        (HTML, "the page is missing"),
        (JSON, "missing for clients that take no gzip"),
    }


def test_a_variant_that_is_no_gzip(subject: Subject) -> None:
    subject.cdn.changed[HTML, True] = b"<html>"

    ((key, problem),) = subject.findings()
    assert key == HTML
    assert problem.startswith(f"could not be read: {subject.url}/simple/alpha/: ")


# Headers.


@pytest.mark.parametrize(("key", "kind"), [(JSON, "application/octet-stream"), (HTML, "text/plain")])
def test_a_page_of_another_type(subject: Subject, key: str, kind: str) -> None:
    subject.cdn.types[key] = kind

    found = [one for one in findings_of(subject.look()) if one.problem == "is sent as another type"]
    assert [(one.subject, one.actual) for one in found] == [(key, kind)]


def test_a_front_that_does_not_negotiate(subject: Subject) -> None:
    """Who asks for JSON gets HTML."""
    html = subject.mirror.files[HTML]
    subject.cdn.changed[JSON, True] = source_of({HTML: html})(HTML, True)
    subject.cdn.changed[JSON, False] = html
    subject.cdn.types[JSON] = "text/html; charset=utf-8"

    found = subject.findings()
    assert (JSON, "is sent as another type") in found
    assert (JSON, "the bytes are not those of the manifest") in found
    assert all(key == JSON for key, _ in found)


def test_an_archive_that_is_described_as_gzip(either: Subject) -> None:
    """Clients would unpack it on the way, and miss its hash."""
    key = f"packages/{SOURCE.file}"
    either.cdn.encodings[key] = "gzip"

    assert either.findings() == {(key, "is sent with a content encoding: clients would unpack it")}


def test_a_page_that_caches_keep_for_ever(subject: Subject) -> None:
    subject.cdn.caching[HTML] = "public, max-age=31536000, immutable"

    assert subject.findings() == {(HTML, "caches are told something else")}


# What is in trouble is not missing.


@pytest.mark.parametrize("status", [500, 503, 403, 429])
def test_a_file_that_is_in_trouble_is_named_with_its_status(either: Subject, status: int) -> None:
    path = f"/packages/{ALPHA.file}"
    either.cdn.statuses[path] = status

    tried = " (tried 5 times)" if status != 403 else ""
    problem = f"could not be read: {either.url}{path}: HTTP {status}{tried}"
    assert either.findings() == {(ALPHA.file, problem), (path[1:], problem)}
    assert len(either.asked(path)) == (1 if status == 403 else 5)


def test_a_page_that_is_in_trouble(subject: Subject) -> None:
    subject.cdn.statuses["/simple/alpha/"] = 502

    found = subject.findings()
    problem = f"could not be read: {subject.url}/simple/alpha/: HTTP 502 (tried 5 times)"
    assert {(HTML, problem), (JSON, problem)} <= found
    assert not any("missing" in problem for _, problem in found)


def test_a_mirror_that_is_in_trouble_as_a_whole(subject: Subject) -> None:
    subject.cdn.statuses[f"/{MANIFEST}"] = 503

    problem = rf"{subject.url}/{MANIFEST}: HTTP 503 \(tried 5 times\)"
    with pytest.raises(CloudUnreachableError, match=problem):
        subject.look()


def test_a_mirror_that_is_forbidden_as_a_whole(subject: Subject) -> None:
    subject.cdn.statuses[f"/{MANIFEST}"] = 403

    with pytest.raises(CloudError, match=rf"{subject.url}/{MANIFEST}: HTTP 403") as caught:
        subject.look()
    assert caught.value.permanent


def test_a_mirror_that_gets_into_trouble_is_not_asked_for_ever(mirror: Mirror) -> None:
    files = {**mirror.files, **{f"assets/{number}.txt": b"x" for number in range(200)}}
    pages = {key: content for key, content in files.items() if key.startswith("assets/")}
    manifest = make_manifest("r1", [], pages, [])
    cdn = Cdn(source_of({**files, MANIFEST: manifest.to_bytes()}))
    cdn.statuses = {f"/{key}": 503 for key in pages}
    troubled = replace(mirror, publication=replace(mirror.publication, manifest=manifest))
    with running(cdn) as url:
        subject = Subject(troubled, cdn, url)
        with pytest.raises(CloudUnreachableError, match=r"HTTP 503 .* others") as caught:
            subject.look()
    assert not caught.value.permanent
    assert len(cdn.requests) < 5 * 60


def test_a_mirror_that_cannot_be_reached(subject: Subject) -> None:
    looker = subject.looker(url="http://127.0.0.1:1")

    with pytest.raises(CloudUnreachableError, match=r"no connection to 127\.0\.0\.1:1.*MIRROR_PUBLIC_URL"):
        looker.observe(subject.mirror.manifest, Silent())


# Redirects.


def test_a_file_that_is_redirected_elsewhere(either: Subject) -> None:
    path = f"/packages/{ALPHA.file}"
    stranger = Cdn(source_of(either.mirror.files), guarded=either.cdn.guarded)
    with running(stranger) as url:
        either.cdn.redirects[path] = f"{url}{path}?token=abc"
        problem = f"could not be read: {either.url}{path} redirects to {url}{path}?..."
        assert either.findings() == {(ALPHA.file, problem), (path[1:], problem)}
    assert stranger.requests == []


def test_a_mirror_that_is_redirected_elsewhere(subject: Subject) -> None:
    subject.cdn.redirects[f"/{MANIFEST}"] = "https://elsewhere.example/manifest.json"

    with pytest.raises(CloudError, match=r"redirects to https://elsewhere\.example/manifest\.json"):
        subject.look()


def test_a_file_that_moved_on_the_same_host_is_followed(subject: Subject) -> None:
    subject.cdn.redirects[f"/packages/{ALPHA.file}"] = f"/packages/{SOURCE.file}"

    assert (ALPHA.file, "the bytes are not those of the lock") in subject.findings()


# An old generation.


def serve_older(subject: Subject, older: Mirror) -> None:
    subject.cdn.source = source_of({**older.files, f"packages/{LOCAL.file}": LOCAL.content})


def test_an_older_generation_is_found_and_named(subject: Subject, older: Mirror) -> None:
    serve_older(subject, older)

    facts = with_generation(subject.look(), [record_of(3, older.manifest, older.publication.provenance)])
    found = {(one.subject, one.problem): one for one in findings_of(facts)}
    shown = found[MANIFEST, "generation 3 is shown"]
    assert (shown.expected, shown.actual) == (subject.mirror.manifest.digest, older.manifest.digest)
    assert ("simple/index.html", "the bytes are not those of the manifest") in found
    assert (SOURCE.file, "the file is missing") in found
    assert sum(subject.paused) == 90


def test_an_older_generation_that_nobody_remembers(subject: Subject, older: Mirror) -> None:
    serve_older(subject, older)

    facts = with_generation(subject.look(), [])
    assert (MANIFEST, "is not that of the live generation") in {
        (f.subject, f.problem) for f in facts.findings
    }


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"<html>"])
def test_a_manifest_that_is_none(either: Subject, content: bytes | None) -> None:
    for packed in (False, True):
        either.cdn.changed[MANIFEST, packed] = content and source_of({MANIFEST: content})(MANIFEST, packed)

    (problem,) = {problem for key, problem in either.findings() if key == MANIFEST}
    assert problem == ("is not that of the live generation" if content else "published, but missing")


def test_an_edge_that_is_late_is_given_time(subject: Subject, older: Mirror) -> None:
    """Right after a publication some places still show what was before."""
    new = subject.cdn.source
    serve_older(subject, older)

    def pause(seconds: float) -> None:
        subject.paused.append(seconds)
        if len(subject.paused) == 3:
            subject.cdn.source = new

    config = PipConfig("", keyring_provider="disabled")
    looker = HttpLooker(subject.url, guarded=True, config=config, pause=pause)
    facts = looker.observe(subject.mirror.manifest, Lines(subject.said.append))

    assert findings_of(facts) == ()
    assert len(subject.paused) == 3
    assert any("waiting" in line for line in subject.said)


def test_caches_of_others_are_given_the_time_that_they_may_take(plain: Subject) -> None:
    plain.cdn.changed[HTML, False] = b"<html>"

    def pause(seconds: float) -> None:
        plain.paused.append(seconds)
        plain.cdn.changed.clear()

    config = PipConfig("", keyring_provider="disabled")
    looker = HttpLooker(plain.url, guarded=False, config=config, pause=pause)

    assert findings_of(looker.observe(plain.mirror.manifest, Silent())) == ()
    assert plain.paused == [65]


def test_what_stays_wrong_is_found_after_one_more_look(plain: Subject) -> None:
    plain.cdn.changed[HTML, False] = b"<html>"

    assert plain.findings() == {
        (HTML, "the bytes are not those of the manifest"),
        (HTML, f"does not list {ALPHA.file}"),
        (JSON, "installers get neither page of it at /simple/alpha/"),
    }
    assert plain.paused == [65]


# Paths outside.


@pytest.mark.parametrize(
    "path",
    ["/.mirror/manifest.json", "/%2Emirror/manifest.json", "/g/1/manifest.json", "/g/7/manifest.json"],
)
def test_what_lies_behind_the_mirror_can_be_read(subject: Subject, path: str) -> None:
    subject.cdn.readable[path] = b"{}"

    facts = subject.look(generation=7)
    assert [(one.subject, one.problem) for one in findings_of(facts)] == [(path, "can be read from outside")]


def test_that_something_is_hidden_has_to_be_seen(subject: Subject) -> None:
    subject.cdn.statuses["/.mirror/manifest.json"] = 500

    ((path, problem),) = subject.findings()
    assert path == "/.mirror/manifest.json"
    assert "HTTP 500" in problem


@pytest.mark.parametrize("status", [403, 500])
def test_a_project_that_is_not_mirrored_is_answered_with_404(either: Subject, status: int) -> None:
    """uv ends its search at another answer."""
    either.cdn.statuses["/simple/is-not-mirrored-here/"] = status

    ((path, problem),) = either.findings()
    assert path == "/simple/is-not-mirrored-here/"
    assert problem == "a project that is not mirrored has to be answered with 404"


# Private mirrors.


def test_a_private_mirror_is_read_with_its_login(either: Subject) -> None:
    either.cdn.login = LOGIN

    assert either.findings(LOGIN) == set()


def test_a_private_mirror_without_a_login_is_one_clear_line(either: Subject) -> None:
    either.cdn.login = LOGIN

    with pytest.raises(CredentialsError) as caught:
        either.look()
    assert str(caught.value) == (
        f"{either.url}/{MANIFEST}: HTTP 401: the mirror is private "
        "(set MIRROR_LOGIN=name:token in the environment)"
    )


def test_a_login_that_is_not_let_in_is_not_shown(either: Subject) -> None:
    either.cdn.login = "somebody:else"

    with pytest.raises(CredentialsError, match="MIRROR_LOGIN") as caught:
        either.look(LOGIN)
    assert SECRET not in f"{caught.value}{caught.value.facts}{caught.value.__cause__!r}"


def test_a_login_that_is_refused_half_way_is_an_error(either: Subject) -> None:
    either.cdn.statuses[f"/packages/{ALPHA.file}"] = 401

    with pytest.raises(CredentialsError, match=ALPHA.file):
        either.look(LOGIN)


def test_packages_that_are_open_to_strangers_are_found(either: Subject) -> None:
    either.cdn.login = LOGIN
    either.cdn.open_paths = {f"/packages/{ALPHA.file}"}

    assert either.findings(LOGIN) == {
        (f"packages/{ALPHA.file}", "can be read without a login, though MIRROR_LOGIN is set")
    }


def test_a_mirror_that_is_open_although_there_is_a_login_is_found(subject: Subject) -> None:
    assert {key for key, _ in subject.findings(LOGIN)} == {MANIFEST, f"packages/{ALPHA.file}"}


def test_a_login_is_sent_to_its_own_host_only(either: Subject) -> None:
    stranger = Cdn(source_of(either.mirror.files))
    either.cdn.login = LOGIN
    with running(stranger) as url:
        either.cdn.redirects[f"/packages/{ALPHA.file}"] = f"{url}/packages/{ALPHA.file}"
        facts = either.look(LOGIN)
    assert stranger.requests == []
    assert SECRET not in repr(facts)
    assert SECRET not in " ".join(either.said)


# Installers.


def test_an_installer_finds_everything_at_the_url(either: Subject) -> None:
    looker = either.looker()
    facts = looker.observe(either.mirror.manifest, Silent())
    with looker.for_installers(facts) as url:
        wanted = ["alpha==1.0", "local==2.0+cpu.1", "source==1.0"]
        assert judge(find_installer(), f"{url}/simple/", wanted, LINUX, ["source"]).complaint == ""


def test_an_installer_gets_into_a_private_mirror(subject: Subject) -> None:
    subject.cdn.login = LOGIN
    with subject.looker(LOGIN).for_installers(SiteFacts(None, {}, {})) as url:
        verdict = judge(find_installer(), f"{url}/simple/", ["alpha==1.0"], LINUX)
    assert verdict.complaint == ""
    assert 200 in subject.asked("/simple/alpha/")


# A bucket without a URL.


@pytest.fixture
def bucket(mirror: Mirror) -> MemoryObjects:
    bucket = MemoryObjects()
    for key, content in mirror.files.items():
        bucket.put(upload_of(key, content))
    return bucket


def test_a_bucket_as_it_should_be(bucket: MemoryObjects, mirror: Mirror) -> None:
    facts = BucketLooker(bucket).observe(mirror.manifest, Silent())

    assert findings_of(facts) == ()
    assert facts.digests == {key: entry.sha256 for key, entry in mirror.manifest.files.items()}
    assert facts.pages.keys() == {key for key in mirror.files if key.startswith("simple/")}


def test_packages_of_a_bucket_are_not_held_in_memory(bucket: MemoryObjects, mirror: Mirror) -> None:
    asked: list[tuple[str, str]] = []
    guard = threading.Lock()

    def note(operation: str, key: str) -> None:
        with guard:
            asked.append((operation, key))

    BucketLooker(bucket.beside(note)).observe(mirror.manifest, Silent())

    wheels = [(operation, key) for operation, key in asked if key.endswith((".whl", ".tar.gz"))]
    assert {operation for operation, _ in wheels} == {"inspect"}
    assert len(wheels) == len(DISTS)


DAMAGES: Mapping[str, tuple[Callable[[MemoryObjects], None], tuple[str, str]]] = {
    "flipped": (
        lambda bucket: _put(bucket, f"packages/{ALPHA.file}", b"x"),
        (ALPHA.file, "the bytes are not those of the lock"),
    ),
    "gone": (
        lambda bucket: bucket.delete([f"packages/{ALPHA.file}"]),
        (ALPHA.file, "the file is missing"),
    ),
    "page": (lambda bucket: _put(bucket, HTML, b"x"), (HTML, "the bytes are not those of the manifest")),
    "page gone": (lambda bucket: bucket.delete([JSON]), (JSON, "the page is missing")),
    "manifest": (lambda bucket: bucket.delete([MANIFEST]), (MANIFEST, "published, but missing")),
}


def _put(bucket: MemoryObjects, key: str, content: bytes) -> None:
    bucket.put(upload_of(key, content))


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_damage_of_a_bucket_is_found(bucket: MemoryObjects, mirror: Mirror, name: str) -> None:
    damage, expected = DAMAGES[name]
    damage(bucket)

    found = findings_of(BucketLooker(bucket).observe(mirror.manifest, Silent()))
    assert expected in {(one.subject, one.problem) for one in found}


def test_an_error_of_the_bucket_is_an_error(bucket: MemoryObjects, mirror: Mirror) -> None:
    def refuse(_operation: str, key: str) -> None:
        if key == HTML:
            raise CloudUnreachableError("s3: get: 503", service="s3")

    with pytest.raises(MirrorError, match="503"):
        BucketLooker(bucket.beside(refuse)).observe(mirror.manifest, Silent())


def test_an_installer_gets_a_copy_of_the_pages(bucket: MemoryObjects, mirror: Mirror) -> None:
    looker = BucketLooker(bucket)
    facts = looker.observe(mirror.manifest, Silent())
    with looker.for_installers(facts) as url:
        wanted = ["alpha==1.0", "local==2.0+cpu.1", "source==1.0"]
        assert judge(find_installer(), f"{url}/simple/", wanted, LINUX, ["source"]).complaint == ""


def test_an_installer_sees_a_page_as_it_is_in_the_bucket(bucket: MemoryObjects, mirror: Mirror) -> None:
    _put(bucket, JSON, json.dumps({"meta": {"api-version": "1.0"}, "name": "alpha", "files": []}).encode())
    looker = BucketLooker(bucket)
    with looker.for_installers(looker.observe(mirror.manifest, Silent())) as url:
        assert "alpha" in judge(find_installer(), f"{url}/simple/", ["alpha==1.0"], LINUX).complaint


def test_keys_that_are_no_paths_are_not_written(
    bucket: MemoryObjects, mirror: Mirror, tmp_path: Path
) -> None:
    looker = BucketLooker(bucket)
    facts = looker.observe(mirror.manifest, Silent())
    evil = replace(facts, pages={**facts.pages, "simple/../../../evil.html": b"evil"})
    with looker.for_installers(evil) as url:
        assert not list(tmp_path.parent.rglob("evil.html"))
        with urlopen(f"{url}/simple/alpha/index.html") as answer:  # noqa: S310
            content = answer.read()
    assert hashlib.sha256(content).hexdigest() == mirror.manifest.files[HTML].sha256
