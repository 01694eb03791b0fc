"""uv.lock relocated: what moves, what stays, what is left out, and what is refused.

That uv takes the result is shown in ``test_relocated_locks``.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import tomli

from mirror_pipeline.domain.uv_relocation import Relocated, relocate
from mirror_pipeline.errors import LockError
from mirror_pipeline_tests.locks import digest_of

BASE = "https://mirror.example/wheels"
NUMPY, TORCH, SOURCE = (
    "numpy-2.0-cp312-cp312-win_amd64.whl",
    "torch-2.0+cpu-py3-none-any.whl",
    "numpy-2.0.tar.gz",
)


def file_line(file: str, *, host: str = "files.example", more: str = "") -> str:
    url = f"https://{host}/ab/cd/{file.replace('+', '%2B')}"
    return f'{{ url = "{url}", hash = "sha256:{digest_of(file)}", size = 10{more} }}'


LOCK = f"""\
version = 1
revision = 3
requires-python = ">=3.10"
resolution-markers = [
    "sys_platform == 'win32'",
]

# checked by hand
[[package]]
name = "numpy"
version = "2.0"
source = {{ registry = "https://index.example/simple" }}
sdist = {file_line(SOURCE, more=', upload-time = "2024-08-26T20:04:02Z"')}
wheels = [
    {file_line("numpy-2.0-cp312-cp312-musllinux_1_2_x86_64.whl")},
    {file_line(NUMPY, more=', upload-time = "2024-08-26T20:04:02Z"')},
]

[[package]]
name = "torch"
version = "2.0+cpu"
source = {{ registry = "https://torch.example/whl/cpu" }}
dependencies = [
    {{ name = "numpy", version = "2.0", source = {{ registry = "https://index.example/simple" }}, marker = "sys_platform == 'win32'" }},
]
wheels = [
    {file_line(TORCH, host="torch.example")},
]

[[package]]
name = "shop"
version = "1.0"
source = {{ editable = "." }}
dependencies = [
    {{ name = "tool" }},
    {{ name = "torch" }},
]

[package.metadata]
requires-dist = [
    {{ name = "tool", url = "https://files.example/tool-1.0-py3-none-any.whl" }},
    {{ name = "torch", index = "https://torch.example/whl/cpu" }},
]

[[package]]
name = "tool"
version = "1.0"
source = {{ url = "https://files.example/tool-1.0-py3-none-any.whl" }}
wheels = [
    {{ url = "https://files.example/tool-1.0-py3-none-any.whl", hash = "sha256:{digest_of("tool")}" }},
]
"""  # noqa: E501
ALL = {file: digest_of(file) for file in (NUMPY, TORCH, SOURCE)}


def moved(text: str = LOCK, held: Mapping[str, str] = ALL) -> Relocated:
    return relocate(text, BASE, held)


def packages(text: str) -> dict[str, Mapping[str, object]]:
    return {package["name"]: package for package in tomli.loads(text)["package"]}


def test_registry_and_files_are_those_of_the_mirror() -> None:
    numpy = packages(moved().text)["numpy"]
    assert numpy["source"] == {"registry": f"{BASE}/simple/"}
    assert numpy["sdist"] == {
        "url": f"{BASE}/packages/{SOURCE}",
        "hash": f"sha256:{digest_of(SOURCE)}",
        "size": 10,
        "upload-time": "2024-08-26T20:04:02Z",
    }
    assert moved().labels == {"numpy==2.0", "torch==2.0+cpu"}


def test_a_plus_is_quoted_as_on_the_pages() -> None:
    assert f'url = "{BASE}/packages/torch-2.0%2Bcpu-py3-none-any.whl"' in moved().text


def test_only_lines_that_name_a_registry_or_a_file_change() -> None:
    before, after = LOCK.splitlines(), moved().text.splitlines()
    gone = [line for line in before if "musllinux" in line]
    assert len(gone) == 1
    kept = [line for line in before if line not in gone]
    changed = [(old, new) for old, new in zip(kept, after, strict=True) if old != new]
    assert all("registry = " in old or "url = " in old for old, _ in changed)
    assert "# checked by hand" in after
    assert len(changed) == 6


def test_what_comes_from_elsewhere_stays_and_is_told() -> None:
    found = moved()
    assert found.elsewhere == ("tool",)
    assert packages(found.text)["tool"] == packages(LOCK)["tool"]
    assert packages(found.text)["shop"] == packages(LOCK)["shop"]


def test_files_that_the_mirror_does_not_hold_are_left_out() -> None:
    found = packages(moved(held={TORCH: ALL[TORCH]}).text)
    assert {"wheels", "sdist"} & set(found["numpy"]) == set()
    assert "wheels" in found["torch"]


def test_a_file_with_other_bytes_is_not_that_file() -> None:
    assert "wheels" not in packages(moved(held={**ALL, NUMPY: digest_of("other")}).text)["numpy"]


def test_it_is_done_once() -> None:
    assert moved(moved().text).text == moved().text


def test_line_ends_of_windows_stay() -> None:
    assert moved(LOCK.replace("\n", "\r\n")).text == moved().text.replace("\n", "\r\n")


def test_the_first_releases_of_uv_called_packages_distributions() -> None:
    old = LOCK.replace("[[package]]", "[[distribution]]").replace("[package.", "[distribution.")
    assert moved(old).text == moved().text.replace("[[package]]", "[[distribution]]").replace(
        "[package.", "[distribution."
    )


def test_two_registries_with_the_same_version_cannot_be_one() -> None:
    again = LOCK.replace('"torch"\nversion = "2.0+cpu"', '"numpy"\nversion = "2.0"')
    with pytest.raises(LockError, match=r"numpy==2\.0 is locked from two registries"):
        moved(again)


@pytest.mark.parametrize(
    ("laid_out", "otherwise"),
    [
        ("wheels = [\n    {", "wheels = [ {"),
        ("source = { registry = ", "source = {registry = "),
        ('source = { registry = "https://index.example/simple" }\n', ""),
    ],
)
def test_another_layout_is_refused_rather_than_changed_in_part(laid_out: str, otherwise: str) -> None:
    assert laid_out in LOCK
    with pytest.raises(LockError, match=r"uv\.lock"):
        moved(LOCK.replace(laid_out, otherwise))


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://ci:hunter2@files.example/tool-1.0-py3-none-any.whl", "hunter2"),
        ("https://files.example/tool-1.0-py3-none-any.whl?sig=hunter2", "hunter2"),
    ],
)
def test_a_url_with_a_secret_is_not_published(url: str, secret: str) -> None:
    with pytest.raises(LockError, match="with a login or a key in it") as error:
        moved(LOCK.replace("https://files.example/tool-1.0-py3-none-any.whl", url))
    assert secret not in str(error.value)


def test_the_login_of_an_index_is_gone_with_the_index() -> None:
    found = moved(LOCK.replace('registry = "https://', 'registry = "https://ci:hunter2@'))
    assert found.text == moved().text


def test_where_in_a_repository_is_no_secret() -> None:
    git = "ssh://git@code.example/tool?lfs=true&subdirectory=tool&rev=v1#" + "a" * 40
    source = 'source = { url = "https://files.example/tool-1.0-py3-none-any.whl" }'
    assert git in moved(LOCK.replace(source, f'source = {{ git = "{git}" }}')).text


def test_what_is_no_lock_is_refused() -> None:
    with pytest.raises(LockError, match=r"uv\.lock"):
        moved("version = 1\n<<<<<<< ours\n")
