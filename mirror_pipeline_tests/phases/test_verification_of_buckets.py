"""Verification of a bucket through its front, and of what a rollback holds, wherever it is published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import dagster as dg
import pytest

from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.assets import graph
from mirror_pipeline.assets.verification import build
from mirror_pipeline.domain.edge import parse
from mirror_pipeline.domain.verification import Judged, Report
from mirror_pipeline.errors import CredentialsError
from mirror_pipeline.phases import history
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.verification import redacted, report_version, verify
from mirror_pipeline.sites.http_looking import HttpLooker
from mirror_pipeline_tests.phases.world import ALPHA, CHECKER, PACKAGES, World, locked, plan, run
from mirror_pipeline_tests.sites.cdn import Cdn, running
from mirror_pipeline_tests.sites.places import FUNCTION, MemoryPlace
from mirror_pipeline_tests.wheels import wheel

SECRET = "s3cret/with:signs"
LOGIN = f"ci:{SECRET}"
NEWER = wheel("checker", "7.1")
LAYERS = ("coverage", "integrity", "index", "installability")


@dataclass
class Subject:
    """A mirror that is published to a bucket in memory, and a front that shows it."""

    world: World
    place: MemoryPlace
    cdn: Cdn
    url: str
    shown: int | None = None
    """The generation that the front shows, whatever the pointer says."""

    def mirror(self, login: str = "", **values: str) -> Mirror:
        """As a new process would have it."""
        values = {
            "BUCKET_NAME": "bucket",
            "CLOUDFRONT_DISTRIBUTION_ID": "E1",
            "MIRROR_PUBLIC_URL": self.url,
            "MIRROR_LOGIN": login,
            **values,
        }
        config = PipConfig("", timeout=5.0, keyring_provider="disabled")
        looker = HttpLooker(
            self.url, login, 4, guarded=self.place.edge, config=config, pause=lambda _seconds: None
        )
        site = replace(self.place.site(), looker=looker)
        return replace(self.world.mirror(**values), site=site)

    def source(self, key: str, packed: bool) -> bytes | None:
        """What lies in the bucket where the pointer leads."""
        if not key.startswith("packages/") and self.place.edge:
            edge = parse(self.place.cloudfront.state[FUNCTION]["LIVE"].decode())
            number = self.shown or (edge.generation if edge else None)
            key = f"g/{number}/{key}{'.gz' if packed else ''}"
        kept = self.place.objects.get(key)
        return kept.content if kept else None


@pytest.fixture(params=["edge", "in place"])
def subject(request: pytest.FixtureRequest, world: World) -> Iterator[Subject]:
    yield from _published(world, edge=request.param == "edge")


@pytest.fixture
def edge(world: World) -> Iterator[Subject]:
    yield from _published(world, edge=True)


def _published(world: World, *, edge: bool) -> Iterator[Subject]:
    cdn = Cdn(lambda _key, _packed: None, guarded=edge)
    with running(cdn) as url:
        subject = Subject(world, MemoryPlace(edge=edge), cdn, url)
        cdn.source = subject.source
        run(subject.mirror())
        yield subject


def problems(report: Report) -> set[tuple[str, str, str]]:
    return {(found.layer, found.subject, found.problem) for found in report.findings}


def layer_of(report: Report, name: str) -> Judged:
    (layer,) = (layer for layer in report.layers if layer.layer == name)
    return layer


# Buckets.


def test_a_good_bucket_passes_in_five_layers(subject: Subject) -> None:
    report = verify(subject.mirror()).report

    assert report.findings == ()
    assert report.passed
    assert [layer.layer for layer in report.layers] == [*LAYERS, "bucket"]
    assert all(layer.checked for layer in report.layers)
    assert report.generation == 1


def test_a_directory_has_no_books_to_look_behind(world: World) -> None:
    run(world.mirror())

    assert [layer.layer for layer in verify(world.mirror()).report.layers] == [*LAYERS]


def test_a_byte_that_flips_on_the_way_is_not_the_buckets_fault(subject: Subject) -> None:
    content = bytearray(ALPHA.content)
    content[len(content) // 2] ^= 1
    subject.cdn.changed[f"packages/{ALPHA.file}", False] = bytes(content)

    report = verify(subject.mirror()).report

    assert ("integrity", ALPHA.file, "the bytes are not those of the lock") in problems(report)
    assert layer_of(report, "bucket").findings == ()


def test_an_object_that_was_changed_behind_the_books_is_found_in_two_ways(subject: Subject) -> None:
    key = f"packages/{ALPHA.file}"
    subject.place.objects[key] = replace(subject.place.objects[key], content=b"other")

    report = verify(subject.mirror()).report

    assert ("integrity", ALPHA.file, "the bytes are not those of the lock") in problems(report)
    (finding,) = layer_of(report, "bucket").findings
    assert finding.subject == key


def test_an_object_that_is_gone_is_missing_for_clients_too(subject: Subject) -> None:
    key = f"packages/{CHECKER.file}"
    del subject.place.objects[key]

    report = verify(subject.mirror()).report

    assert ("integrity", CHECKER.file, "the file is missing") in problems(report)
    assert (
        "index",
        "simple/checker/index.v1_json",
        f"links to {CHECKER.file}, which is missing",
    ) in problems(report)
    assert [one.subject for one in layer_of(report, "bucket").findings] == [key]


def test_a_file_in_trouble_is_not_called_missing(subject: Subject) -> None:
    path = f"/packages/{ALPHA.file}"
    subject.cdn.statuses[path] = 500

    report = verify(subject.mirror()).report

    problem = f"could not be read: {subject.url}{path}: HTTP 500 (tried 5 times)"
    assert problems(report) == {("integrity", ALPHA.file, problem), ("index", path[1:], problem)}
    assert not report.passed


def test_a_front_that_shows_an_older_generation(edge: Subject) -> None:
    publish_newer(edge.world, edge.mirror)
    edge.shown = 1

    report = verify(edge.mirror()).report

    assert report.generation == 2
    assert ("index", "manifest.json", "generation 1 is shown") in problems(report)
    assert ("index", "simple/checker/index.html", f"does not list {NEWER.file}") in problems(report)


def test_a_private_mirror_without_a_login_writes_no_report(subject: Subject) -> None:
    subject.cdn.login = LOGIN

    with pytest.raises(CredentialsError, match="the mirror is private"):
        verify(subject.mirror())
    assert not (subject.world.home / "reports").exists()


def test_a_login_is_used_and_written_nowhere(edge: Subject, capfd: pytest.CaptureFixture[str]) -> None:
    edge.cdn.login = LOGIN
    edge.cdn.statuses["/simple/alpha/"] = 403  # so that the installer complains, with the URL it was given
    edge.cdn.statuses[f"/packages/{CHECKER.file}"] = 500

    verified = verify(edge.mirror(LOGIN))

    complaints = layer_of(verified.report, "installability").findings
    assert complaints
    assert all("127.0.0.1" in one.problem for one in complaints)
    printed = capfd.readouterr()
    texts = [path.read_text() for path in edge.world.home.rglob("*") if path.suffix in (".json", ".md")]
    for text in (*texts, verified.markdown, repr(verified.report), printed.out, printed.err):
        assert SECRET not in text
        assert "s3cret" not in text


@pytest.mark.parametrize(
    "said",
    [
        f"error: https://ci:{SECRET}@mirror.example/simple/ was refused",
        "error: https://ci:s3cret%2Fwith%3Asigns@mirror.example/simple/ was refused",
        f"//ci:{SECRET}@mirror.example/simple/ was refused",
        "ith%3Asigns@mirror.example/simple/ was refused",
        f"the token {SECRET} was refused",
    ],
)
def test_what_an_installer_says_is_kept_without_the_token_wherever_it_was_cut(said: str) -> None:
    shown = redacted(said, SECRET)

    assert not any(part in shown for part in ("s3cret", "with", "signs"))
    assert "was refused" in shown


def test_what_an_installer_says_is_kept_as_it_is_where_there_is_no_token() -> None:
    said = "a@b: Because alpha was not found in the package registry"
    assert redacted(said, "") == said


def test_a_bucket_without_a_url_is_read_by_its_own_interface(world: World) -> None:
    place = MemoryPlace(edge=False)
    mirror = replace(world.mirror(BUCKET_NAME="bucket", MIRROR_PUBLISH="in-place"), site=place.site())
    run(mirror)
    assert verify(mirror).report.passed

    del place.objects["simple/alpha/index.v1_json"]
    report = verify(mirror).report

    assert ("index", "simple/alpha/index.v1_json", "the page is missing") in problems(report)
    assert layer_of(report, "installability").findings
    assert layer_of(report, "bucket").findings


@pytest.mark.parametrize("edge", [True, False])
def test_a_bucket_that_nothing_was_published_to(world: World, edge: bool) -> None:
    mirror = world.mirror(BUCKET_NAME="bucket", CLOUDFRONT_DISTRIBUTION_ID="E1")
    plan(mirror)

    report = verify(replace(mirror, site=MemoryPlace(edge=edge).site())).report

    assert not report.passed
    assert ("index", "manifest.json", "missing or unreadable: nothing is published") in problems(report)
    assert layer_of(report, "bucket").checked == 0


# Checks in Dagster.


def checks(mirror: Mirror) -> dict[str, tuple[bool, dg.AssetCheckSeverity]]:
    """What the asset says of each layer."""
    asset = build(mirror, "v", dg.AutomationCondition.eager())
    resource = dg.ResourceDefinition.hardcoded_resource(mirror)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    done = dg.materialize([asset], resources={graph.RESOURCE: resource}, run_config=quiet)
    assert {spec.name for spec in asset.check_specs} == {
        one.check_name for one in done.get_asset_check_evaluations()
    }
    return {one.check_name: (one.passed, one.severity) for one in done.get_asset_check_evaluations()}


def test_a_bucket_has_a_check_of_its_own(subject: Subject) -> None:
    key = f"packages/{ALPHA.file}"
    subject.place.objects[key] = replace(subject.place.objects[key], content=b"other")

    failed = {name for name, (passed, _) in checks(subject.mirror()).items() if not passed}
    assert failed == {"bucket", "integrity", "index"}


def test_a_directory_has_no_check_of_a_bucket(world: World) -> None:
    run(world.mirror())
    assert checks(world.mirror()).keys() == set(LAYERS)


def test_what_was_left_out_is_a_warning(stranger: Callable[..., Mirror]) -> None:
    found = checks(stranger())
    warned = {name for name, (_, severity) in found.items() if severity is dg.AssetCheckSeverity.WARN}
    assert warned == {name for name, (passed, _) in found.items() if not passed}
    assert warned == {"coverage", "installability"}


# What a rollback holds.


def publish_newer(world: World, mirror: Callable[[], Mirror]) -> None:
    """The next generation: another version of one project."""
    world.upstream.add(NEWER)
    world.lock(*PACKAGES[:3], locked(NEWER, groups=("dev",)))
    run(mirror())


@pytest.fixture(params=["directory", "edge", "in place"])
def held(request: pytest.FixtureRequest, world: World) -> Iterator[Callable[..., Mirror]]:
    """A mirror that was rolled back to its first generation."""
    if request.param == "directory":
        run(world.mirror())
        yield _rolled_back(world, world.mirror)
    else:
        for subject in _published(world, edge=request.param == "edge"):
            yield _rolled_back(world, subject.mirror)


def _rolled_back(world: World, mirror: Callable[..., Mirror]) -> Callable[..., Mirror]:
    publish_newer(world, mirror)
    history.roll_back(mirror(), 1, "7.1 broke the build")
    return mirror


def test_a_held_generation_is_judged_by_what_it_was_made_from(held: Callable[..., Mirror]) -> None:
    verified = verify(held())
    report = verified.report

    assert report.findings == ()
    assert report.passed
    assert report.generation == 1
    manifest = held().site.manifest()
    assert manifest is not None
    assert report.requirements == manifest.requirements
    (note,) = layer_of(report, "coverage").notes
    hold = held().site.status().hold
    assert hold is not None
    assert note == f"held at generation 1 since {hold.since} by {hold.by}: 7.1 broke the build"
    assert note in verified.markdown
    assert note in json.dumps(json.loads(verified.path.read_bytes()))


def test_a_held_generation_may_be_damaged_too(held: Callable[..., Mirror], world: World) -> None:
    mirror = held()
    if mirror.settings.cloud.bucket:
        objects = mirror.site.store.objects  # type: ignore[attr-defined]
        key = f"packages/{CHECKER.file}"
        objects[key] = replace(objects[key], content=b"other")
    else:
        (world.home / "packages" / CHECKER.file).write_bytes(b"other")

    report = verify(mirror).report

    assert ("integrity", CHECKER.file, "the bytes are not those of the lock") in problems(report)


def test_a_held_generation_is_judged_for_its_own_platforms(held: Callable[..., Mirror]) -> None:
    assert verify(held(MIRROR_PLATFORMS="linux-x86_64,macos-arm64")).report.findings == ()


def test_a_hold_ends_with_other_requirements(held: Callable[..., Mirror], world: World) -> None:
    """What is live is then just out of date."""
    world.lock(*PACKAGES[:2])
    plan(held())

    report = verify(held()).report

    assert ("index", "manifest.json", "made from other requirements") in problems(report)
    assert layer_of(report, "coverage").notes == ()


@pytest.fixture
def stranger(held: Callable[..., Mirror], world: World) -> Callable[..., Mirror]:
    """The same from a machine that did not publish what is held."""
    manifest = held().site.manifest()
    assert manifest is not None
    (world.home / "documents" / "published" / f"{manifest.requirements}.json").unlink()
    return held


def test_a_held_generation_of_another_machine_is_judged_by_its_manifest(
    stranger: Callable[..., Mirror],
) -> None:
    verified = verify(stranger())
    report = verified.report

    assert report.findings == ()
    assert report.passed
    assert {layer.layer for layer in report.layers if layer.left_out} == {"coverage", "installability"}
    assert all(layer.checked for layer in report.layers if not layer.left_out)
    assert "not judged: the requirements of this generation are not known" in verified.markdown
    assert "held at generation 1" in verified.markdown


def test_damage_is_found_by_a_manifest_alone(stranger: Callable[..., Mirror], world: World) -> None:
    mirror = stranger()
    if mirror.settings.cloud.bucket:
        del mirror.site.store.objects[f"packages/{CHECKER.file}"]  # type: ignore[attr-defined]
    else:
        (world.home / "packages" / CHECKER.file).unlink()

    report = verify(mirror).report

    assert not report.passed
    assert ("integrity", CHECKER.file, "the file is missing") in problems(report)


def test_the_version_of_a_report_tells_what_was_left_out(held: Callable[..., Mirror], world: World) -> None:
    whole = verify(held()).report
    manifest = held().site.manifest()
    assert manifest is not None
    (world.home / "documents" / "published" / f"{manifest.requirements}.json").unlink()

    assert report_version(verify(held()).report) != report_version(whole)
    assert report_version(verify(held()).report) == report_version(verify(held()).report)
