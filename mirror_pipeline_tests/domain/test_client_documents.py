"""Which published documents snippets name."""

from __future__ import annotations

import pytest

from mirror_pipeline.domain.client_documents import client_documents
from mirror_pipeline.domain.lock import Lock


def lock(project: str, kind: str = "poetry") -> Lock:
    return Lock(project, kind, "1", "", (), (), (), ())


def test_one_project_has_the_plain_names() -> None:
    assert client_documents([lock("My.Shop", "uv")], "linux-x86_64") == {
        "project": "",
        "requirements": "requirements-prod.txt",
        "lock": "pylock/pylock.linux-x86_64.toml",
        "uv_lock": "pylock/uv.lock.toml",
    }


@pytest.mark.parametrize(("asked", "whose"), [("", "My.Shop"), ("My.Shop", "My.Shop"), ("office", "office")])
def test_of_several_all_names_are_of_the_same_project(asked: str, whose: str) -> None:
    named = client_documents([lock("My.Shop"), lock("office", "uv")], "macos-arm64", asked)
    name = {"My.Shop": "my-shop", "office": "office"}[whose]
    assert named == {
        "project": whose,
        "requirements": f"requirements/{whose}-prod.txt",
        "lock": f"pylock/pylock.{name}-macos-arm64.toml",
        "uv_lock": "pylock/office/uv.lock.toml" if whose == "office" else "",
    }


def test_nothing_is_named_where_nothing_is_mirrored() -> None:
    assert client_documents([], "linux-x86_64") == {}
