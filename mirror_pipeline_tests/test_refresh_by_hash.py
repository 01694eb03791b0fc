"""``refresh`` where the lock knows files by hash only, and where outputs would fall on what is not ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mirror_pipeline.errors import FetchFailedError, SettingsError
from mirror_pipeline_tests.mirrors import Kept, Locked, Workbench, example_packages, keep, tree, workbench

ASKED_AGAIN = [("requirements", None)]
PLANS = [("wheel_plan", platform) for platform in ("linux-x86_64", "windows-amd64")]


def lock_text(packages: Mapping[str, Locked], wrong: str = "") -> str:
    """Two projects, by hash; that of ``wrong`` is a hash of nothing."""
    digests = {
        name: ["0" * 64] if name == wrong else [dist.sha256 for dist in packages[name].dists]
        for name in ("alpha", "native")
    }
    return "".join(
        f"{name}==1.0 {' '.join(f'--hash=sha256:{digest}' for digest in found)}\n"
        for name, found in digests.items()
    )


def lock_by_hash(bench: Workbench, wrong: str = "") -> None:
    """Write the lock."""
    by_hash(bench).write_text(lock_text(bench.packages, wrong), encoding="utf-8")


def by_hash(bench: Workbench) -> Path:
    """The lock file."""
    return bench.root / "shop" / "requirements.txt"


def lock_also(bench: Workbench, name: str, *digests: str) -> None:
    """One more line."""
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in digests)
    by_hash(bench).write_text(f"{lock_text(bench.packages)}{name}==1.0 {hashes}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    root = tmp_path_factory.mktemp("by_hash")
    lock = root / "bench" / "shop" / "requirements.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text(lock_text(example_packages()), encoding="utf-8")
    return keep(root, ORBIT_PROJECT="shop/requirements.txt")


@pytest.fixture
def bench(kept: Kept) -> Iterator[Workbench]:
    with kept.restored() as bench:
        yield bench


def pages(bench: Workbench) -> set[str]:
    return {path.parent.name for path in (bench.site / "simple").glob("*/index.html")}


class TestNoHashIsKnown:
    def test_the_site_keeps_the_project_until_the_lock_is_mended(self, bench: Workbench) -> None:
        before, generation = bench.published(), bench.mirror().site.status().live
        lock_by_hash(bench, wrong="alpha")
        done = bench.refresh()
        assert [type(error) for error in done.failures] == [FetchFailedError, FetchFailedError]
        assert [error.facts["platform"] for error in done.failures] == ["linux-x86_64", "windows-amd64"]
        assert {asset for asset, _ in done.skipped} == {"wheels", "index", "s3_sync", "verification_report"}
        assert (bench.published(), bench.mirror().site.status().live) == (before, generation)

        again = bench.refresh()
        assert (again.recomputed, len(again.failures)) == (ASKED_AGAIN, 2)
        assert bench.published() == before

        lock_by_hash(bench)
        assert bench.refresh().failures == []
        assert pages(bench) == {"alpha", "native"}
        assert bench.refresh().recomputed == []

    def test_it_goes_on_by_itself_once_an_upstream_lists_the_file(self, bench: Workbench) -> None:
        beta = bench.add_pin("beta")
        bench.upstream.remove(beta)
        lock_also(bench, "beta", beta.sha256)
        assert len(bench.refresh().failures) == 2
        assert pages(bench) == {"alpha", "native"}
        bench.upstream.add(beta)
        assert bench.refresh().failures == []
        assert pages(bench) == {"alpha", "beta", "native"}

    def test_allowed_failures_are_published_without_and_looked_for_again(self, bench: Workbench) -> None:
        lock_by_hash(bench, wrong="alpha")
        bench.configure(MIRROR_ALLOW_FAILURES="true")
        assert bench.refresh().failures == []
        assert pages(bench) == {"native"}
        assert bench.refresh().recomputed == [*ASKED_AGAIN, *PLANS]
        bench.configure(MIRROR_ALLOW_FAILURES="false")
        assert len(bench.refresh().failures) == 2
        lock_by_hash(bench)
        assert bench.refresh().failures == []
        assert pages(bench) == {"alpha", "native"}

    def test_a_pin_of_which_some_hashes_are_known_is_complete(self, bench: Workbench) -> None:
        lock_also(bench, "beta", bench.add_pin("beta").sha256, "0" * 64)
        assert bench.refresh().failures == []
        assert "beta" in pages(bench)
        assert bench.refresh().recomputed == []


class TestWhatIsNotOurs:
    def refused(self, bench: Workbench) -> SettingsError:
        """The error; nothing was written, run or asked."""
        before = tree(bench.root, without=["home/dagster", "home/turns"])
        with bench.instance() as instance:
            runs = instance.get_runs_count()
        with pytest.raises(SettingsError) as caught:
            bench.refresh()
        assert tree(bench.root, without=["home/dagster", "home/turns"]) == before
        with bench.instance() as instance:
            assert instance.get_runs_count() == runs
        assert bench.upstream.count() == 0
        return caught.value

    def test_a_lock_that_lies_where_one_is_written_changes_nothing(self, bench: Workbench) -> None:
        lock = bench.root / "requirements-prod.txt"
        lock.write_text(by_hash(bench).read_text("utf-8"), encoding="utf-8")
        bench.configure(ORBIT_PROJECT="requirements-prod.txt")
        assert self.refused(bench).facts["file"] == str(lock)

    def test_a_file_kept_by_hand_changes_nothing(self, bench: Workbench, tmp_path: Path) -> None:
        with workbench(tmp_path / "new") as new:
            (new.root / "requirements-all.txt").write_text("alpha\n", encoding="utf-8")
            assert "requirements-all.txt" in str(self.refused(new))
            assert {path.name for path in new.home.iterdir()} == {"dagster"}
