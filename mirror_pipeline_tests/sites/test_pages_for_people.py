"""Pages for people wherever a mirror is published: there, whole, and readable where a browser asks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mirror_pipeline.domain.generations import Provenance
from mirror_pipeline.domain.serving import File, route
from mirror_pipeline.phases.index import make_index
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.phases.world import DISTS, PACKAGES, World, gather
from mirror_pipeline_tests.sites.places import Place, expected, publish
from mirror_pipeline_tests.upstreams import FakeUpstream

ASKED = {
    "/": "index.html",
    "/index.html": "index.html",
    "/project/alpha/": "project/alpha/index.html",
    "/project/native/index.html": "project/native/index.html",
    "/assets/site.css": "assets/site.css",
    "/assets/site.js": "assets/site.js",
    "/assets/mark.svg": "assets/mark.svg",
}


@pytest.fixture(scope="module")
def publication(tmp_path_factory: pytest.TempPathFactory) -> Publication:
    with FakeUpstream() as upstream:
        for dist in DISTS:
            upstream.add(dist)
        world = World(tmp_path_factory.mktemp("people"), upstream)
        world.lock(*PACKAGES)
        mirror = world.mirror()
        gather(mirror)
        index = make_index(mirror).index
    provenance = Provenance("2026-11-01T00:00:00+00:00", "ann@example", "")
    return Publication(index.contents, index.manifest, mirror.store.packages, provenance)


def test_every_place_carries_them(place: Place, publication: Publication, tmp_path: Path) -> None:
    shutil.copytree(publication.packages, tmp_path / "packages")  # where a directory's home has them
    publish(place.site(), publication)
    shown = place.shown()
    assert {key: shown[key] for key in ASKED.values()} == {
        key: expected(publication)[key] for key in ASKED.values()
    }


@pytest.mark.parametrize("path", ASKED)
def test_a_browser_gets_them(publication: Publication, path: str) -> None:
    answer = route(path, "text/html,application/xhtml+xml,*/*;q=0.8", publication.pages.__contains__)
    assert isinstance(answer, File)
    assert answer.key == ASKED[path]
    kind = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "html": "text/html"}
    assert answer.content_type.startswith(kind[answer.key.rpartition(".")[2]])
