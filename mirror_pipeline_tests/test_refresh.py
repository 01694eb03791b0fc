"""``refresh``: what it runs, what it fetches, and what it leaves alone when something is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest

from mirror_pipeline.errors import (
    DocumentError,
    FetchFailedError,
    LockError,
    MirrorError,
    SettingsError,
    StorageError,
)
from mirror_pipeline_tests.mirrors import WINDOWS, Kept, Locked, Workbench, keep, tree, workbench
from mirror_pipeline_tests.wheels import wheel

EVERYTHING = [
    ("lock", None),
    ("requirements", None),
    ("wheel_plan", "linux-x86_64"),
    ("wheel_plan", "windows-amd64"),
    ("wheel_plan", "noarch"),
    ("wheels", "linux-x86_64"),
    ("wheels", "windows-amd64"),
    ("wheels", "noarch"),
    ("index", None),
    ("s3_sync", None),
    ("verification_report", None),
]
PUBLICATION = EVERYTHING[-3:]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("refresh"))


@pytest.fixture
def bench(kept: Kept) -> Iterator[Workbench]:
    with kept.restored() as bench:
        yield bench


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Workbench]:
    with workbench(tmp_path / "bench") as bench:
        yield bench


def everything_but_history(bench: Workbench) -> Mapping[str, str]:
    return tree(bench.root, without=["home/dagster", "home/turns", "shop"])


def stored(bench: Workbench) -> set[str]:
    return {path.name for path in (bench.home / "packages").iterdir() if path.suffix == ".whl"}


class TestFirstRun:
    def test_makes_everything_in_order(self, empty: Workbench) -> None:
        done = empty.refresh()
        assert done.recomputed == EVERYTHING
        assert (done.failures, done.skipped, done.warnings) == ([], [], ())
        wanted = [
            empty.dist("alpha"),
            empty.dist("native", "x86_64"),
            empty.dist("native", "win"),
            empty.dist("winonly"),
            empty.dist("checker"),
        ]
        assert done.counts["downloaded_files"] == len(wanted)
        assert done.counts["downloaded_bytes"] == sum(dist.size for dist in wanted)
        assert stored(empty) == {dist.file for dist in wanted}
        for dist in wanted:
            packaged = (empty.site / "packages" / dist.file).read_bytes()
            assert hashlib.sha256(packaged).hexdigest() == dist.sha256
        assert {request.path for request in empty.upstream.requests} == {
            *(empty.upstream.path_of(dist) for dist in wanted),
            *(empty.upstream.page_of(dist.project) for dist in wanted),
        }

    def test_the_requirements_lie_beside_the_configuration(self, bench: Workbench) -> None:
        text = (bench.root / "requirements-all.txt").read_text("utf-8")
        assert "checker==1.0" in text
        assert "checker" not in (bench.root / "requirements-prod.txt").read_text("utf-8")
        assert text == (bench.site / "requirements-all.txt").read_text("utf-8")


class TestAgain:
    def test_nothing_to_do(self, bench: Workbench) -> None:
        before = tree(bench.root, without=["home/dagster", "home/turns"])
        done = bench.refresh()
        assert (done.recomputed, done.failures, done.counts) == ([], [], {})
        assert bench.upstream.count() == 0
        assert tree(bench.root, without=["home/dagster", "home/turns"]) == before

    @pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("# mine\n")])
    def test_requirement_files_come_back(self, bench: Workbench, damage: Callable[[Path], object]) -> None:
        path = bench.root / "requirements-prod.txt"
        written = path.read_bytes()
        damage(path)
        assert bench.refresh().recomputed == [("requirements", None)]
        assert path.read_bytes() == written

    def test_force_recomputes_all_and_changes_nothing(self, bench: Workbench) -> None:
        before, generation = bench.published(), bench.mirror().site.status().live
        done = bench.refresh(force=True)
        assert done.recomputed == EVERYTHING
        assert bench.upstream.count() == 0
        assert done.counts == {"downloaded_files": 0, "downloaded_bytes": 0, "uploaded": 0, "deleted": 0}
        assert bench.published() == before
        assert bench.mirror().site.status().live == generation

    def test_force_repairs_store_and_pages(self, bench: Workbench) -> None:
        dist, before = bench.dist("alpha"), bench.published()
        (bench.home / "packages" / dist.file).write_bytes(b"rotten")
        (bench.home / "packages" / bench.dist("checker").file).unlink()
        (bench.site / "simple" / "alpha" / "index.html").write_text("tampered", encoding="utf-8")
        assert bench.refresh(force=True).counts["downloaded_files"] == 2
        assert (bench.home / "packages" / dist.file).read_bytes() == dist.content
        assert bench.published() == before

    def test_only_what_is_new_is_fetched(self, bench: Workbench) -> None:
        generation = bench.mirror().site.status().live
        dist = bench.bump_windows()
        done = bench.refresh()
        assert [request.path for request in bench.upstream.requests] == [
            bench.upstream.page_of("winonly"),
            bench.upstream.path_of(dist),
        ]
        assert (done.counts["downloaded_files"], done.counts["downloaded_bytes"]) == (1, dist.size)
        assert bench.mirror().site.status().live == (generation or 0) + 1
        files = set((bench.site / "packages").iterdir())
        assert {path.name for path in files} >= {dist.file, "winonly-1.0-" + WINDOWS + ".whl"}

    def test_what_is_gone_leaves_the_pages_and_stays_in_the_store(self, bench: Workbench) -> None:
        gone = bench.packages.pop("checker").dists[0]
        bench.write()
        done = bench.refresh()
        assert done.counts["deleted"] > 0
        assert not (bench.site / "simple" / "checker").exists()
        assert gone.file in stored(bench)


class TestOneFailure:
    def test_leaves_the_others_kept_and_the_publication_alone(self, bench: Workbench) -> None:
        before, generation = bench.published(), bench.mirror().site.status().live
        windows, pure = bench.bump_windows(), bench.add_pin("beta")
        bench.upstream.fail(bench.upstream.path_of(windows), 404, times=1)
        done = bench.refresh()

        assert [type(error) for error in done.failures] == [FetchFailedError]
        assert windows.file in str(done.failures[0])
        assert ("wheels", "noarch") in done.recomputed
        assert done.skipped == [("index", None), ("s3_sync", None), ("verification_report", None)]
        assert not {"index", "s3_sync", "verification_report"} & {asset for asset, _ in done.recomputed}
        assert pure.file in stored(bench)
        assert windows.file not in stored(bench)
        assert {k: v for k, v in bench.published().items() if "packages" not in k} == {
            k: v for k, v in before.items() if "packages" not in k
        }
        assert bench.mirror().site.status().live == generation

        bench.upstream.forget()
        again = bench.refresh()
        assert again.recomputed == [("wheels", "windows-amd64"), *PUBLICATION]
        assert again.counts["downloaded_files"] == 1
        assert bench.upstream.count(bench.upstream.path_of(pure)) == 0
        assert (bench.site / "simple" / "beta" / "index.html").is_file()

    def test_keeps_the_neighbours_in_the_same_partition(self, bench: Workbench) -> None:
        bad, good = bench.add_pin("beta"), bench.add_pin("gamma")
        bench.upstream.replace(bench.upstream.path_of(bad), b"something else")
        done = bench.refresh()
        assert [type(error) for error in done.failures] == [FetchFailedError]
        actual = hashlib.sha256(b"something else").hexdigest()
        assert bad.sha256 in str(done.failures[0])
        assert actual in str(done.failures[0])
        assert good.file in stored(bench)
        assert bad.file not in stored(bench)
        assert not list((bench.home / "tmp").iterdir())

    def test_passing_trouble_is_no_failure(self, bench: Workbench) -> None:
        dist = bench.add_pin("beta")
        bench.upstream.fail(bench.upstream.path_of(dist), 503, times=2)
        assert bench.refresh().failures == []
        assert bench.upstream.count(bench.upstream.path_of(dist)) == 3

    def test_two_partitions_fail_on_their_own(self, bench: Workbench) -> None:
        for dist in (bench.bump_windows(), bench.add_pin("beta")):
            bench.upstream.remove(dist)
        found = [error.facts["platform"] for error in bench.refresh().failures]
        assert found == ["windows-amd64", "noarch"]

    def test_a_site_that_is_not_ours_is_left_alone(self, bench: Workbench) -> None:
        bench.site.unlink()
        bench.site.mkdir()
        (bench.site / "precious.txt").write_text("mine", encoding="utf-8")
        done = bench.refresh()
        assert [type(error) for error in done.failures] == [StorageError]
        assert (bench.site / "precious.txt").read_text("utf-8") == "mine"
        assert done.skipped == [("verification_report", None)]

    def test_damaged_documents_say_how_to_go_on(self, bench: Workbench) -> None:
        document = bench.home / "documents" / "requirements.json"
        document.write_bytes(document.read_bytes()[:100])
        bench.add_comment()
        (bench.home / "documents" / "wheels" / "noarch.json").write_text("{", encoding="utf-8")
        bench.bump_windows()
        done = bench.refresh()
        assert [type(error) for error in done.failures] == [DocumentError]
        assert "refresh --force" in str(done.failures[0])
        assert bench.refresh(force=True).failures == []


class TestBadInput:
    def broken(self, bench: Workbench, error: type[MirrorError]) -> MirrorError:
        before = everything_but_history(bench)
        with bench.instance() as instance:
            runs = instance.get_runs_count()
        with pytest.raises(error) as caught:
            bench.refresh()
        assert everything_but_history(bench) == before
        with bench.instance() as instance:
            assert instance.get_runs_count() == runs
        assert bench.upstream.count() == 0
        return caught.value

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "<<<<<<< ours\n[[package]]\n",
            '[[package]]\nname = "alpha"\n',
            "<!DOCTYPE html><html></html>",
            "version https://git-lfs.github.com/spec/v1\n",
        ],
    )
    def test_a_broken_lock_changes_nothing(self, bench: Workbench, content: str) -> None:
        bench.lock.write_text(content, encoding="utf-8")
        assert str(bench.lock) in str(self.broken(bench, LockError))

    def test_a_lock_cut_short_changes_nothing(self, bench: Workbench) -> None:
        text = bench.lock.read_text("utf-8")
        bench.lock.write_text(text[: len(text) // 2], encoding="utf-8")
        self.broken(bench, LockError)

    def test_a_missing_lock_changes_nothing(self, bench: Workbench) -> None:
        bench.lock.unlink()
        self.broken(bench, LockError)

    def test_an_unknown_group_changes_nothing(self, bench: Workbench) -> None:
        bench.configure(MIRROR_GROUPS="docs")
        assert self.broken(bench, SettingsError).facts["allowed"] == ["dev"]

    def test_no_python_left_changes_nothing(self, bench: Workbench) -> None:
        bench.configure(MIRROR_PYTHONS="3.9")
        self.broken(bench, SettingsError)

    def test_a_first_run_leaves_no_trace(self, empty: Workbench) -> None:
        empty.lock.write_text("", encoding="utf-8")
        self.broken(empty, LockError)
        assert {path.name for path in empty.home.iterdir()} == {"dagster"}


class TestAllowedFailures:
    def test_are_published_without(self, bench: Workbench) -> None:
        bench.configure(MIRROR_ALLOW_FAILURES="true")
        missing, pure = bench.bump_windows(), bench.add_pin("beta")
        bench.upstream.remove(missing)
        done = bench.refresh()
        assert done.failures == []
        assert done.recomputed[-3:] == PUBLICATION
        published = bench.mirror().site.manifest()
        assert published is not None
        assert f"packages/{pure.file}" in published.files
        assert f"packages/{missing.file}" not in published.files


def test_a_wheel_without_metadata_is_published_without(bench: Workbench) -> None:
    bench.put(Locked((wheel("bare", metadata=False),)))
    assert bench.refresh().failures == []
    manifest = bench.mirror().site.manifest()
    assert manifest is not None
    assert f"packages/{bench.dist('bare').file}" in manifest.files
    assert f"packages/{bench.dist('bare').file}.metadata" not in manifest.files


def test_a_first_run_that_fails_skips_all_that_it_feeds(empty: Workbench) -> None:
    empty.upstream.remove(empty.dist("winonly"))
    done = empty.refresh()
    assert done.skipped == PUBLICATION
    assert not empty.site.exists()


def test_runs_are_in_the_instance_that_the_ui_shows(bench: Workbench) -> None:
    bench.bump_windows()
    bench.upstream.fail(f"/files/{bench.dist('winonly').file}", 404, times=1)
    bench.refresh()
    with bench.instance() as instance:
        newest = instance.get_runs(limit=1)[0]
        assert newest.status == dg.DagsterRunStatus.FAILURE
        assert newest.tags["dagster/partition"] == "windows-amd64"
        assert instance.get_latest_materialization_event(dg.AssetKey("lock")) is not None
