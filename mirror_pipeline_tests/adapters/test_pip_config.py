"""What pip itself says of its configuration, on a machine whose own configuration must not matter."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import certifi
import pytest
from pip._internal.models.index import PyPI

from mirror_pipeline.adapters.pip_config import PipConfig, read_pip_config
from mirror_pipeline.errors import UpstreamError

FILE = """\
[global]
index-url = https://file.example/simple/
extra-index-url =
    https://one.example/simple/
    https://two.example/simple/
cert = /certificates/ca.pem
client-cert = /certificates/own.pem
proxy = http://proxy.example:3128
timeout = 42
trusted-host =
    file.example
    one.example:8443
"""


def environment(config: Path | str, **more: str) -> Mapping[str, str]:
    """Nothing of this machine's but the search path. The null device switches all of pip's files off."""
    return {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": str(config), **more}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pip.conf"
    path.write_text(FILE)
    return path


def test_everything_from_a_file(config: Path) -> None:
    assert read_pip_config(environment(config)) == PipConfig(
        index_url="https://file.example/simple/",
        extra_index_urls=("https://one.example/simple/", "https://two.example/simple/"),
        proxy="http://proxy.example:3128",
        ca_bundle="/certificates/ca.pem",
        client_certificate="/certificates/own.pem",
        trusted_hosts=("file.example", "one.example:8443"),
        timeout=42.0,
    )


def test_nothing_configured_means_what_pip_means() -> None:
    assert read_pip_config(environment(os.devnull)) == PipConfig(
        index_url=PyPI.simple_url,
        ca_bundle=ssl.get_default_verify_paths().cafile or certifi.where(),
        timeout=15.0,
    )


def test_the_environment_wins_over_files(config: Path) -> None:
    found = read_pip_config(
        environment(
            config,
            PIP_INDEX_URL="https://variable.example/simple/",
            PIP_EXTRA_INDEX_URL="https://a.example/ https://b.example/",
            PIP_TIMEOUT="7",
        )
    )

    assert found.index_url == "https://variable.example/simple/"
    assert found.extra_index_urls == ("https://a.example/", "https://b.example/")
    assert found.timeout == 7.0
    assert found.proxy == "http://proxy.example:3128"


@pytest.mark.parametrize("section", ["install", "download"])
def test_the_section_of_a_command_wins_over_global(tmp_path: Path, section: str) -> None:
    path = tmp_path / "pip.conf"
    path.write_text(
        "[global]\nindex-url = https://global.example/simple/\n"
        f"[{section}]\nindex-url = https://{section}.example/simple/\n"
    )

    assert read_pip_config(environment(path)).index_url == f"https://{section}.example/simple/"


def test_values_keep_their_special_characters(tmp_path: Path) -> None:
    url = "https://ann:p%%40ss'word@file.example/simple/?a=b"
    path = tmp_path / "pip.conf"
    path.write_text(f"[global]\nindex-url = {url}\n")

    assert read_pip_config(environment(path)).index_url == url


def test_the_default_timeout_variable() -> None:
    assert read_pip_config(environment(os.devnull, PIP_DEFAULT_TIMEOUT="99")).timeout == 99.0


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_authorities_from_the_variables_that_pip_honours(variable: str) -> None:
    found = read_pip_config(environment(os.devnull, **{variable: "/certificates/company.pem"}))

    assert found.ca_bundle == "/certificates/company.pem"


def test_a_netrc_elsewhere() -> None:
    assert read_pip_config(environment(os.devnull, NETRC="/home/ann/netrc")).netrc == "/home/ann/netrc"


@pytest.mark.parametrize("provider", ["disabled", "import", "subprocess", "auto"])
def test_how_the_keyring_is_asked(provider: str) -> None:
    found = read_pip_config(environment(os.devnull, PIP_KEYRING_PROVIDER=provider))

    assert found.keyring_provider == provider


@pytest.mark.parametrize("text", ["index-url = https://no-section.example/\n", "[global\n"])
def test_a_file_that_pip_cannot_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pip.conf"
    path.write_text(text)

    with pytest.raises(UpstreamError, match="pip's configuration cannot be read"):
        read_pip_config(environment(path))
