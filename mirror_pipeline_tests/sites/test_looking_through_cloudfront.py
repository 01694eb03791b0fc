"""Looking through a distribution as ``infra apply`` makes it: function, access control, private bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.installer import find_installer, judge
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.domain.cloud import Cloud, Retention
from mirror_pipeline.domain.edge import Edge
from mirror_pipeline.domain.manifest import MANIFEST
from mirror_pipeline.domain.published import with_generation
from mirror_pipeline.domain.verification import SiteFacts
from mirror_pipeline.errors import CredentialsError
from mirror_pipeline.phases.infrastructure import apply
from mirror_pipeline.phases.infrastructure_account import Account, account_of
from mirror_pipeline.sites.bucket import BucketSite
from mirror_pipeline.sites.choosing import edge_function, site_for
from mirror_pipeline.sites.http_looking import HttpLooker
from mirror_pipeline_tests.aws_servers import Edge as Distribution
from mirror_pipeline_tests.aws_servers import Ministack, unique
from mirror_pipeline_tests.sites.test_looking import (
    ALPHA,
    DISTS,
    HTML,
    LINUX,
    LOGIN,
    Mirror,
    findings_of,
    made,
)


@dataclass
class Subject:
    """A mirror that is published to a private bucket behind a distribution."""

    cloud: Cloud
    account: Account
    mirror: Mirror
    distribution: Distribution
    paused: list[float] = field(default_factory=list)

    def site(self, login: str = "") -> BucketSite:
        config = PipConfig("", keyring_provider="disabled")
        looker = HttpLooker(
            self.distribution.url, login, 4, guarded=True, config=config, pause=self.paused.append
        )
        site = site_for(self.cloud, Retention(), Path("unused"))
        assert isinstance(site, BucketSite)
        return replace(site, looker=looker)

    def look(self, login: str = "") -> SiteFacts:
        site = self.site(login)
        return with_generation(site.observe(Silent()), site.status().generations)

    def findings(self, login: str = "") -> set[tuple[str, str]]:
        return {(one.subject, one.problem) for one in findings_of(self.look(login))}

    def put(self, key: str, content: bytes, **more: str) -> None:
        """Change an object behind everybody's back."""
        self.account.clients.s3.put_object(Bucket=self.cloud.bucket, Key=key, Body=content, **more)

    def point(self, edge: Edge) -> None:
        """Let the function say something else behind everybody's back."""
        function = edge_function(Aws(self.cloud))
        deployed = function.read()
        assert deployed is not None
        function.deploy(edge, deployed.etag)


@pytest.fixture
def subject(ministack: Ministack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    cloud = Cloud(bucket=unique("mirror"), mode="generations")
    account, keys = account_of(cloud, Silent()), dict[str, str]()
    apply(replace(account, pause=lambda _seconds: None), adopt=False, record=keys.update)
    mirror = made(tmp_path, *DISTS)
    with ministack.edge(keys["CLOUDFRONT_DOMAIN"]) as distribution:
        subject = Subject(cloud, account, mirror, distribution)
        subject.site().publish(mirror.publication, Silent())
        yield subject


def test_a_mirror_as_it_should_be(subject: Subject) -> None:
    facts = subject.look()
    assert findings_of(facts) == ()
    assert facts.digests == {key: entry.sha256 for key, entry in subject.mirror.manifest.files.items()}
    assert subject.paused == []

    with subject.site().for_installers(facts) as url:
        wanted = ["alpha==1.0", "local==2.0+cpu.1", "source==1.0"]
        assert judge(find_installer(), f"{url}/simple/", wanted, LINUX, ["source"]).complaint == ""


def test_objects_that_were_changed_behind_the_books_are_what_clients_get(subject: Subject) -> None:
    other = b"other bytes"
    subject.put(f"packages/{ALPHA.file}", other)
    subject.put(f"g/1/{HTML}", b"<html>", ContentType="text/html; charset=utf-8")

    found = {(one.subject, one.problem): one for one in findings_of(subject.look())}
    assert (
        found[ALPHA.file, "the bytes are not those of the lock"].actual == hashlib.sha256(other).hexdigest()
    )
    assert (HTML, "the bytes for clients that take no gzip are not those of the manifest") in found
    assert {one.subject for one in subject.site().reconcile()[1]} == {f"packages/{ALPHA.file}", f"g/1/{HTML}"}


def test_objects_that_were_removed_are_missing_and_not_forbidden(subject: Subject) -> None:
    subject.account.clients.s3.delete_object(Bucket=subject.cloud.bucket, Key=f"packages/{ALPHA.file}")

    assert (ALPHA.file, "the file is missing") in subject.findings()


def test_a_pointer_that_shows_an_older_generation_is_found(subject: Subject, tmp_path: Path) -> None:
    newer = made(tmp_path / "newer", *DISTS[:2], requirements="r1-again")
    subject.site().publish(newer.publication, Silent())
    subject.point(Edge(1))

    assert (MANIFEST, "generation 1 is shown") in subject.findings()
    assert sum(subject.paused) == 90


def test_a_private_mirror(subject: Subject) -> None:
    subject.point(Edge(1, (hashlib.sha256(LOGIN.encode()).hexdigest(),)))

    assert subject.findings(LOGIN) == set()
    with pytest.raises(CredentialsError, match="set MIRROR_LOGIN"):
        subject.look()
    with subject.site(LOGIN).for_installers(SiteFacts(None, {}, {})) as url:
        assert judge(find_installer(), f"{url}/simple/", ["alpha==1.0"], LINUX).complaint == ""
