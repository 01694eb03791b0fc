"""Provenance (PEP 740): passed on as it is, never worth a file, and never lost in silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mirror_pipeline.domain.manifest import parse_manifest
from mirror_pipeline.domain.serving import INTEGRITY_TYPE, REVALIDATED
from mirror_pipeline.phases.drift import look_upstream
from mirror_pipeline.phases.verification import verify
from mirror_pipeline.phases.wheels import Gathered, gather_wheels
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    CHECKER,
    LINUX,
    World,
    gather,
    locked,
    plan,
    published,
    run,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, provenance, wheel

KEY = f"simple/alpha/{ALPHA.file}.provenance"
PUBLIC = "https://mirror.example"


def entry(world: World, dist: Dist) -> Mapping[str, Any]:
    page = json.loads((world.site / "simple" / dist.project / "index.v1_json").read_bytes())
    (found,) = (one for one in page["files"] if one["filename"] == dist.file)
    return dict(found)


def unattested(gathered: Mapping[str, Gathered]) -> Mapping[str, str]:
    return {failure.file: failure.reason for one in gathered.values() for failure in one.unattested}


@pytest.mark.parametrize("pages", ["negotiated", "html"])
def test_it_is_published_byte_for_byte(world: World, upstream: FakeUpstream, pages: Any) -> None:
    upstream.pages = pages
    upstream.add(ALPHA, provenance=provenance(ALPHA))
    upstream.add(LINUX, provenance=provenance(LINUX))

    run(world.mirror(MIRROR_PUBLIC_URL=PUBLIC))

    assert (world.site / KEY).read_bytes() == provenance(ALPHA)
    assert entry(world, ALPHA)["provenance"] == f"{PUBLIC}/{KEY}"
    with_plus = f"native/{LINUX.file.replace('+', '%2B')}.provenance"
    assert entry(world, LINUX)["provenance"] == f"{PUBLIC}/simple/{with_plus}"
    assert f'data-provenance="{PUBLIC}/{KEY}"' in (world.site / "simple/alpha/index.html").read_text()
    files = parse_manifest((world.site / "manifest.json").read_bytes()).files
    assert (files[KEY].content_type, files[KEY].cache_control) == (INTEGRITY_TYPE, REVALIDATED)
    assert "provenance" not in entry(world, CHECKER)


def test_a_file_of_two_platforms_has_what_upstream_told_either(world: World, upstream: FakeUpstream) -> None:
    """Only the first of them fetches it, and so hears of it."""
    both = wheel("both", tag="cp312-cp312-macosx_11_0_universal2")
    upstream.add(
        both, provenance=provenance(both), yanked="leaks keys", upload_time="2024-01-02T03:04:05.678Z"
    )
    world.lock(locked(both))
    mirror = world.mirror(MIRROR_PLATFORMS="macos-arm64,macos-x86_64", MIRROR_PUBLIC_URL=PUBLIC)

    run(mirror)

    told = entry(world, both)
    assert told["provenance"] == f"{PUBLIC}/simple/both/{both.file}.provenance"
    assert (told["yanked"], told["upload-time"]) == ("leaks keys", "2024-01-02T03:04:05.678Z")
    assert [finding.severity for finding in look_upstream(mirror).drift.found] == ["info"]  # known already


def test_the_published_mirror_is_verified_with_it(world: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, provenance=provenance(ALPHA))
    mirror = world.mirror()
    run(mirror)
    assert not [finding for finding in verify(mirror).report.findings if finding.layer == "index"]

    (world.site / KEY).resolve().write_bytes(b"{}")
    assert KEY in {finding.subject for finding in verify(mirror).report.findings}


def test_it_is_asked_for_once_and_as_a_provenance(world: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, provenance=provenance(ALPHA))
    run(world.mirror())
    before = published(world.site)
    (request,) = upstream.asked(upstream.provenance_of(ALPHA))
    assert request.headers["accept"].startswith(INTEGRITY_TYPE)
    upstream.close()

    run(world.mirror())

    assert published(world.site) == before


def test_where_nobody_attests_nobody_is_asked(world: World, upstream: FakeUpstream) -> None:
    run(world.mirror())
    assert not [request for request in upstream.requests if "integrity" in request.path]
    assert not (world.home / "documents" / "provenance").exists()


def test_a_repair_asks_for_it_anew(world: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, provenance=provenance(ALPHA))
    run(world.mirror())
    upstream.add(ALPHA, provenance=provenance(ALPHA, builder="auditor.example"))
    run(world.mirror())
    assert (world.site / KEY).read_bytes() == provenance(ALPHA)

    run(replace(world.mirror(), repair=True))

    assert (world.site / KEY).read_bytes() == provenance(ALPHA, builder="auditor.example")


NO_BUNDLES = json.dumps({"version": 1, "attestation_bundles": []}).encode()
NO_ATTESTATIONS = json.dumps({"version": 1, "attestation_bundles": [{"publisher": {}}]}).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>an apology</html>", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[]", "no provenance object of version 1"),
        (b'{"version": 2, "attestation_bundles": [{}]}', "no provenance object of version 1"),
        (NO_BUNDLES, "no list of attestation_bundles"),
        (NO_ATTESTATIONS, "no list of attestations"),
        (provenance(ALPHA, sha256="0" * 64), "attests other bytes"),
    ],
)
def test_what_is_no_provenance_of_the_file_is_told_and_not_published(
    world: World, upstream: FakeUpstream, content: bytes, why: str
) -> None:
    upstream.add(ALPHA, provenance=content)
    mirror = world.mirror(MIRROR_PUBLIC_URL=PUBLIC)
    gathered = gather(mirror)
    assert why in unattested(gathered)[ALPHA.file]

    run(mirror)

    assert ALPHA.file in {item.artifact.file for item in gathered["noarch"].wheels.held}
    assert not {"provenance", "_provenance"} & set(entry(world, ALPHA))
    assert KEY not in published(world.site)


def test_one_that_is_not_there_is_told_and_asked_for_again(world: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, provenance=provenance(ALPHA))
    upstream.fail(upstream.provenance_of(ALPHA), 404, times=1)
    gathered = gather(world.mirror())
    assert gathered["noarch"].wheels.complete
    assert "HTTP 404" in unattested(gathered)[ALPHA.file]

    run(world.mirror())

    assert (world.site / KEY).read_bytes() == provenance(ALPHA)


def test_it_is_taken_from_no_place_that_files_may_not_come_from(world: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, provenance=provenance(ALPHA))
    upstream.fail(upstream.provenance_of(ALPHA), 403)
    upstream.redirect(upstream.provenance_of(CHECKER), "file:///etc/passwd")
    upstream.add(CHECKER, provenance=provenance(CHECKER))
    mirror = world.mirror()
    plan(mirror)

    gathered = gather_wheels(mirror, "noarch")

    assert set(unattested({"noarch": gathered})) == {ALPHA.file, CHECKER.file}


def test_a_host_in_trouble_is_let_alone(world: World, upstream: FakeUpstream) -> None:
    crowd = [wheel(f"crowd-{number}") for number in range(40)]
    for dist in crowd:
        upstream.add(dist, provenance=provenance(dist))
        upstream.fail(upstream.provenance_of(dist), 503)
    world.lock(*(locked(dist) for dist in crowd))
    mirror = world.mirror(MIRROR_CONCURRENCY="1")
    plan(mirror)

    gathered = gather_wheels(mirror, "noarch")

    assert len(gathered.unattested) == len(crowd) == len(gathered.wheels.held)
    asked = {request.path for request in upstream.requests if "integrity" in request.path}
    assert len(asked) == 3


def test_it_takes_the_login_of_its_index_and_leaves_it_in_no_document(
    world: World, upstream: FakeUpstream
) -> None:
    upstream.add(ALPHA, provenance=provenance(ALPHA))
    upstream.require("ann", "s3cret")

    run(world.mirror(MIRROR_INDEX_URL=upstream.url_with("ann", "s3cret")))

    assert (world.site / KEY).read_bytes() == provenance(ALPHA)
    texts = [path.read_text("latin-1") for path in world.home.rglob("*") if path.is_file()]
    assert texts
    assert not [text for text in texts if "s3cret" in text]
