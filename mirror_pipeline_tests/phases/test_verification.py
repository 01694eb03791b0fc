"""Verification of a mirror that someone damaged: each damage is found, in its layer, and not repaired."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mirror_pipeline.domain.verification import Finding, Report
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.verification import last_report, verify
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    CHECKER,
    DISTS,
    LINUX,
    ONLY_WINDOWS,
    PACKAGES,
    World,
    locked,
    run,
    tree,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import sdist, wheel

OWN = ("home/reports", "home/documents/verification_report")
"""What a verification may write."""
WRONG = "0" * 64


@dataclass
class Subject:
    """A published mirror that is ours to damage."""

    world: World
    mirror: Mirror

    @property
    def site(self) -> Path:
        return self.world.site.resolve()

    def page(self, name: str) -> Path:
        return self.site / "simple" / name

    def package(self, file: str) -> Path:
        return self.world.home / "packages" / file

    def rewrite(self, key: str, old: str, new: str, *, count: int = -1) -> None:
        """Change a page, and the manifest with it, so that only what the page says is wrong."""
        text = (self.site / key).read_text()
        assert old in text
        (self.site / key).write_text(text.replace(old, new, count))
        self.admit(key)

    def admit(self, key: str) -> None:
        """Let the manifest say what is there now."""
        manifest = self.manifest()
        content = (self.site / key).read_bytes()
        entry = manifest["files"].setdefault(key, {"content_type": "text/html", "cache_control": ""})
        entry.update(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        (self.site / "manifest.json").write_text(json.dumps(manifest))

    def disown(self, key: str) -> None:
        """Let the manifest say nothing of a key."""
        manifest = self.manifest()
        del manifest["files"][key]
        (self.site / "manifest.json").write_text(json.dumps(manifest))

    def manifest(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.site / "manifest.json").read_bytes())
        return content

    def verify(self) -> Report:
        """Verify, and see that nothing but the report was written."""
        before = tree(self.world.root, without=OWN)
        verified = verify(self.mirror)
        assert tree(self.world.root, without=OWN) == before
        assert json.loads(verified.path.read_bytes())["passed"] is verified.report.passed
        return verified.report


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published mirror that nobody touches."""
    root = tmp_path_factory.mktemp("original")
    with FakeUpstream() as upstream:
        for dist in DISTS:
            upstream.add(dist)
        world = World(root, upstream)
        world.lock(*PACKAGES)
        run(world.mirror())
    return root


@pytest.fixture
def subject(original: Path, tmp_path: Path) -> Iterator[Subject]:
    shutil.copytree(original, tmp_path / "copy", symlinks=True)
    with FakeUpstream() as upstream:  # empty: to verify takes no upstream
        world = World(tmp_path / "copy", upstream)
        yield Subject(world, world.mirror())
        assert not upstream.requests


def problems(report: Report, layer: str) -> set[tuple[str, str]]:
    return {(f.subject, f.problem) for f in report.findings if f.layer == layer}


def layers(report: Report) -> set[str]:
    return {finding.layer for finding in report.findings}


def test_a_good_mirror_passes(subject: Subject) -> None:
    report = subject.verify()

    assert report.passed
    assert {layer.layer: layer.checked > 0 for layer in report.layers} == dict.fromkeys(
        ("coverage", "integrity", "index", "installability"), True
    )
    assert report.generation == 1
    stored = last_report(subject.mirror)
    assert stored is not None
    assert stored.passed


def test_the_report_is_written_for_machines_and_for_people(subject: Subject) -> None:
    subject.package(ALPHA.file).unlink()

    verified = verify(subject.mirror)

    folder = subject.world.home / "reports"
    assert {path.suffix for path in folder.iterdir()} == {".json", ".md"}
    content = json.loads((folder / "verification-latest.json").read_bytes())
    assert content["passed"] is False
    assert ALPHA.file in json.dumps(content["layers"])
    text = (folder / "verification-latest.md").read_text()
    assert text == verified.markdown
    assert "# Verification: " in text
    assert f"| integrity | {ALPHA.file} | the file is missing | {ALPHA.sha256} |" in text


# Packages.


@pytest.mark.parametrize("file", [ALPHA.file, LINUX.file])
def test_a_flipped_byte(subject: Subject, file: str) -> None:
    content = bytearray(subject.package(file).read_bytes())
    content[len(content) // 2] ^= 1
    subject.package(file).write_bytes(content)
    actual = hashlib.sha256(content).hexdigest()

    report = subject.verify()

    assert layers(report) == {"integrity", "index"}
    (finding,) = (found for found in report.findings if found.layer == "integrity")
    expected = next(dist.sha256 for dist in DISTS if dist.file == file)
    assert finding == Finding("integrity", file, "the bytes are not those of the lock", expected, actual)
    assert problems(report, "index") == {(f"packages/{file}", "the bytes are not those of the manifest")}


def test_a_package_is_gone(subject: Subject) -> None:
    subject.package(CHECKER.file).unlink()

    report = subject.verify()

    assert problems(report, "integrity") == {(CHECKER.file, "the file is missing")}
    assert problems(report, "index") == {
        (f"packages/{CHECKER.file}", "named by the manifest, but missing"),
        ("simple/checker/index.html", f"links to {CHECKER.file}, which is missing"),
        ("simple/checker/index.v1_json", f"links to {CHECKER.file}, which is missing"),
    }


def test_a_platform_wheel_was_never_published(subject: Subject) -> None:
    """As if an older generation were live: consistent in itself, but not what the lock wants."""
    for key in (f"packages/{LINUX.file}", f"packages/{LINUX.file}.metadata"):
        subject.disown(key)
    subject.page("native/index.html").write_text("<html></html>")
    subject.page("native/index.v1_json").write_text('{"meta": {"api-version": "1.1"}, "files": []}')
    subject.admit("simple/native/index.html")
    subject.admit("simple/native/index.v1_json")

    report = subject.verify()

    assert (LINUX.file, "wanted for linux-x86_64, but not published") in problems(report, "coverage")
    assert ("simple/native/index.html", f"does not list {LINUX.file}") in problems(report, "index")
    assert ("simple/native/index.v1_json", f"does not list {LINUX.file}") in problems(report, "index")
    assert {target for target, _ in problems(report, "installability")} == {
        "linux-x86_64/3.12",
        "windows-amd64/3.12",
    }


def test_metadata_is_gone(subject: Subject) -> None:
    subject.package(f"{ALPHA.file}.metadata").unlink()

    report = subject.verify()

    assert problems(report, "index") == {
        (f"packages/{ALPHA.file}.metadata", "named by the manifest, but missing")
    }
    assert "integrity" not in layers(report)
    assert not report.passed


def test_metadata_was_changed(subject: Subject) -> None:
    path = subject.package(f"{ALPHA.file}.metadata")
    path.write_bytes(path.read_bytes() + b"Requires-Dist: evil\n")

    report = subject.verify()

    assert (
        f"packages/{ALPHA.file}.metadata",
        "the bytes are not those of the manifest",
    ) in problems(report, "index")


# Pages.


@pytest.mark.parametrize("name", ["index.html", "index.v1_json"])
def test_a_page_with_a_wrong_digest(subject: Subject, name: str) -> None:
    key = f"simple/alpha/{name}"
    subject.rewrite(key, ALPHA.sha256, WRONG)

    report = subject.verify()

    assert report.findings == (Finding("index", key, f"wrong digest for {ALPHA.file}", ALPHA.sha256, WRONG),)


@pytest.mark.parametrize("name", ["index.html", "index.v1_json"])
def test_a_page_that_was_changed_in_place(subject: Subject, name: str) -> None:
    path = subject.page(f"alpha/{name}")
    path.write_text(path.read_text() + " ")

    report = subject.verify()

    assert layers(report) == {"index"}
    assert problems(report, "index") == {(f"simple/alpha/{name}", "the bytes are not those of the manifest")}


def test_a_page_for_people_is_gone(subject: Subject) -> None:
    subject.page("only-windows/index.html").unlink()

    report = subject.verify()

    assert layers(report) == {"index"}
    assert problems(report, "index") == {
        ("simple/only-windows/index.html", "named by the manifest, but missing"),
        ("simple/only-windows/index.html", "the page is missing"),
    }


def test_a_page_for_installers_is_gone(subject: Subject) -> None:
    subject.page("only-windows/index.v1_json").unlink()

    report = subject.verify()

    assert layers(report) == {"index", "installability"}
    assert ("simple/only-windows/index.v1_json", "the page is missing") in problems(report, "index")
    ((target, complaint),) = problems(report, "installability")
    assert target == "windows-amd64/3.12"
    assert "only-windows" in complaint


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("index.html", "<a ", f'<a href="../../packages/evil-1.0.tar.gz#sha256={WRONG}">evil</a><a '),
        (
            "index.v1_json",
            '"files":[',
            '"files":[{"filename":"evil-1.0.tar.gz","url":"../../packages/evil-1.0.tar.gz","hashes":{}},',
        ),
    ],
)
def test_a_link_too_many(subject: Subject, name: str, old: str, new: str) -> None:
    key = f"simple/alpha/{name}"
    subject.rewrite(key, old, new, count=1)

    report = subject.verify()

    assert layers(report) == {"index"}
    assert problems(report, "index") == {
        (key, "lists evil-1.0.tar.gz, which no lock wants"),
        (key, "links to evil-1.0.tar.gz, which is missing"),
    }


@pytest.mark.parametrize("name", ["index.html", "index.v1_json"])
def test_a_link_that_leads_out_of_the_mirror(subject: Subject, name: str) -> None:
    key = f"simple/alpha/{name}"
    subject.rewrite(key, f"../../packages/{ALPHA.file}", f"https://evil.example/{ALPHA.file}")

    report = subject.verify()

    assert problems(report, "index") == {(key, f"the link of {ALPHA.file} leads elsewhere")}


@pytest.mark.parametrize("admitted", [False, True])
def test_a_project_that_no_lock_wants(subject: Subject, admitted: bool) -> None:
    """A page of somebody else's would be served like ours."""
    page = subject.page("evil/index.html")
    page.parent.mkdir()
    page.write_text(f'<a href="../../packages/{ALPHA.file}#sha256={ALPHA.sha256}">{ALPHA.file}</a>')
    if admitted:
        subject.admit("simple/evil/index.html")

    report = subject.verify()

    assert layers(report) == {"index"}
    assert problems(report, "index") == {("simple/evil/index.html", "a page of a project that no lock wants")}


def test_a_page_that_is_none(subject: Subject) -> None:
    subject.page("alpha/index.v1_json").write_text("{")
    subject.admit("simple/alpha/index.v1_json")

    report = subject.verify()

    assert layers(report) == {"index", "installability"}


# Publications.


def take_link_away(subject: Subject) -> None:
    subject.world.site.unlink()


def take_manifest_away(subject: Subject) -> None:
    (subject.site / "manifest.json").unlink()


def empty_manifest(subject: Subject) -> None:
    (subject.site / "manifest.json").write_text("{}")


def take_generation_away(subject: Subject) -> None:
    shutil.rmtree(subject.site)


@pytest.mark.parametrize("damage", [take_link_away, take_manifest_away, empty_manifest, take_generation_away])
def test_nothing_is_published(subject: Subject, damage: Callable[[Subject], None]) -> None:
    damage(subject)

    report = subject.verify()

    assert not report.passed
    assert {"coverage", "integrity", "index"} <= layers(report)
    assert problems(report, "index") == {("manifest.json", "missing or unreadable: nothing is published")}


def test_an_older_generation_is_judged_by_the_lock_of_today(subject: Subject, tmp_path: Path) -> None:
    newer = wheel("checker", "7.1")
    with FakeUpstream() as upstream:
        upstream.add(newer)
        world = World(subject.world.root, upstream)
        world.lock(*PACKAGES[:3], locked(newer, groups=("dev",)))
        run(world.mirror())
    subject.world.site.unlink()
    subject.world.site.symlink_to("generations/1")

    report = subject.verify()

    assert report.generation == 1
    assert (newer.file, "wanted for noarch, but not published") in problems(report, "coverage")
    assert ("simple/checker/index.html", f"lists {CHECKER.file}, which no lock wants") in problems(
        report, "index"
    )


# What is no finding.


def test_gaps_are_listed_and_are_no_findings(world: World, upstream: FakeUpstream) -> None:
    linux = upstream.add(wheel("linuxish", tag="cp312-cp312-manylinux_2_17_x86_64"))
    world.lock(locked(linux), *PACKAGES)
    mirror = world.mirror()
    run(mirror)

    report = verify(mirror).report

    assert report.passed
    assert {name: [(gap.project, gap.pythons) for gap in gaps] for name, gaps in report.gaps.items()} == {
        "windows-amd64": [("linuxish", ("3.12",))]
    }


def test_sdists_may_be_built_where_they_are_served(world: World, upstream: FakeUpstream) -> None:
    source = upstream.add(sdist("source"))
    world.lock(locked(source), locked(ALPHA))
    mirror = world.mirror(MIRROR_SDISTS="fallback")
    run(mirror)

    assert verify(mirror).report.findings == ()


def test_free_threaded_targets_are_judged_by_tags_and_reported_so(
    world: World, upstream: FakeUpstream
) -> None:
    threaded = upstream.add(wheel("threaded", tag="cp313-cp313t-manylinux_2_17_x86_64"))
    plain = upstream.add(wheel("threaded", tag="cp313-cp313-manylinux_2_17_x86_64"))
    world.lock(locked(threaded, plain))
    mirror = world.mirror(MIRROR_PYTHONS="3.13,3.13t", MIRROR_PLATFORMS="linux-x86_64")
    run(mirror)

    report = verify(mirror).report

    assert report.passed
    (layer,) = (layer for layer in report.layers if layer.layer == "installability")
    assert layer.checked == 1
    assert [note.partition(":")[0] for note in layer.notes] == ["linux-x86_64/3.13t"]


def test_two_versions_of_one_project_are_both_looked_for(world: World, upstream: FakeUpstream) -> None:
    old, new = upstream.add(wheel("twice", "1.0")), upstream.add(wheel("twice", "2.0"))
    world.lock(
        locked(old, markers='sys_platform == "win32"'),
        locked(new, markers='sys_platform != "win32"'),
        locked(ONLY_WINDOWS),
    )
    mirror = world.mirror()
    run(mirror)

    assert verify(mirror).report.passed
