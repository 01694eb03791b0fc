"""Which uv.lock files are published, where, and when not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mirror_pipeline.adapters.progress import for_terminal
from mirror_pipeline.configuration import load_settings
from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.phases.lock import load_snapshot, read_locks, take_snapshot
from mirror_pipeline.phases.mirror import Mirror, build_mirror
from mirror_pipeline.phases.relocation import uv_lock_keys, uv_locks
from mirror_pipeline_tests.domain.test_uv_relocation import ALL, BASE, LOCK
from mirror_pipeline_tests.mirrors import clean_environment
from mirror_pipeline_tests.uv_locks import locked, project, uv_lock, want


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project, locked by uv."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/uv.lock").write_text(LOCK)
    with clean_environment():
        yield tmp_path


def mirror_of(root: Path, public_url: str = BASE) -> Mirror:
    """A mirror that has just read its locks."""
    (root / "config.env").write_text(
        f"MIRROR_HOME=home\nORBIT_PROJECT=shop\nMIRROR_PUBLIC_URL={public_url}\nMIRROR_INDEX_URL={BASE}\n"
    )
    mirror = build_mirror(load_settings({}, root / "config.env"), for_terminal())
    take_snapshot(mirror)
    return mirror


def locks_of(mirror: Mirror) -> tuple[Lock, ...]:
    return read_locks(mirror, load_snapshot(mirror).projects)


def test_a_lock_is_published_with_the_mirror_s_url(root: Path) -> None:
    mirror = mirror_of(root)
    ((key, text),) = uv_locks(mirror, locks_of(mirror), ALL)
    assert key == "pylock/uv.lock.toml"
    assert f'registry = "{BASE}/simple/"' in text


def test_without_a_url_there_is_none(root: Path) -> None:
    mirror = mirror_of(root, "")
    assert list(uv_locks(mirror, locks_of(mirror), ALL)) == []


def test_several_projects_have_one_each_and_other_formats_none(root: Path) -> None:
    (lock,) = locks_of(mirror_of(root))
    others = [replace(lock, project="Office.App"), replace(lock, project="till", format="poetry")]
    assert list(uv_lock_keys([lock, *others])) == [
        "pylock/shop/uv.lock.toml",
        "pylock/office-app/uv.lock.toml",
    ]
    assert uv_lock_keys(others[1:]) == {}


def test_a_lock_that_cannot_be_relocated_is_told_and_left_out(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "shop/uv.lock").write_text(
        uv_lock([project("shop", dependencies=[want("demo")]), locked("demo")])
    )
    mirror = mirror_of(root)
    assert list(uv_locks(mirror, locks_of(mirror), {})) == []
    assert "is not published for uv: uv.lock is not laid out as uv writes it" in capsys.readouterr().err


def test_a_lock_read_anew_is_not_mixed_with_older_requirements(root: Path) -> None:
    older = locks_of(mirror_of(root))
    (root / "shop/uv.lock").write_text(LOCK.replace('version = "2.0"', 'version = "2.1"'))
    with pytest.raises(DocumentError, match=r"numpy==2\.1.*requirements know nothing"):
        list(uv_locks(mirror_of(root), older, ALL))
