"""What installers are given: each snippet read by a parser of its language.

Real tools are given them in ``test_client_commands``.
"""

from __future__ import annotations

import configparser
import netrc
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tomli
import yaml

from mirror_pipeline.domain.snippets import CLIENTS, Snippet, snippets

SECURE, PLAIN, HERE = "https://pypi.shop.example", "http://pypi.shop.example:8080", "http://127.0.0.1:8080"
ODD = "http://[::1]:8080/a'b\"c$d;e\\f"
EVERY = [(base, private) for base in (SECURE, PLAIN, HERE, ODD) for private in (False, True)]


def read_ini(text: str) -> Mapping[str, Mapping[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def read_shell(text: str) -> None:
    subprocess.run(["/bin/bash", "-n"], input=text, text=True, check=True, timeout=20)


def read_dockerfile(text: str) -> list[str]:
    """Instructions, continued lines joined; each begins with a word that a Dockerfile knows."""
    lines = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    assert {line.split()[0] for line in lines} == {"FROM", "RUN"}
    read_shell("\n".join(re.sub(r"--mount=\S+ ", "", line.removeprefix("RUN ")) for line in lines[1:]))
    return lines


def read_netrc(text: str, folder: Path) -> netrc.netrc:
    path = folder / "netrc"
    path.write_text(text)
    path.chmod(0o600)
    return netrc.netrc(str(path))


READERS: Mapping[str, Callable[[str], object]] = {
    "bash": read_shell,
    "dockerfile": read_dockerfile,
    "ini": read_ini,
    "toml": tomli.loads,
    "yaml": yaml.safe_load,
}


def of(client: str, language: str, base: str = SECURE, *, private: bool = False) -> Snippet:
    return next(item for item in snippets(client, base, private=private) if item.language == language)


def text_of(client: str, base: str, *, private: bool = False) -> str:
    return "".join(item.text for item in snippets(client, base, private=private))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("base", "private"), EVERY)
def test_each_snippet_can_be_read(client: str, base: str, private: bool, tmp_path: Path) -> None:
    found = snippets(
        client, base, private=private, lock="pylock/pylock.linux-x86_64.toml", uv_lock="pylock/uv.lock.toml"
    )
    assert found
    assert {item.client for item in found} == {client}
    for item in found:
        assert item.text.endswith("\n")
        assert not re.search(r"\{[a-z]+\}", item.text.replace("{{", ""))
        assert "\n\n\n" not in item.text
        if item.language == "netrc":
            read_netrc(item.text, tmp_path)
        else:
            READERS[item.language](item.text)


@pytest.mark.parametrize("client", CLIENTS)
def test_each_names_the_mirror_and_no_other_index(client: str) -> None:
    urls = re.findall(r"https?://[^\s\"']+", text_of(client, SECURE))
    assert urls
    assert {url.split("/")[2] for url in urls} == {"pypi.shop.example"}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_private_mirror_asks_for_a_login(client: str) -> None:
    public, private = text_of(client, SECURE), text_of(client, SECURE, private=True)
    login = re.compile(r"TOKEN|PASSWORD")
    assert not login.search(public)
    assert login.search(private)
    commands = [
        item for item in snippets(client, SECURE, private=True) if item.language in ("bash", "dockerfile")
    ]
    for line in (line for item in commands for line in item.text.splitlines() if "TOKEN" in line):
        assert line.startswith("export "), "a token on a command line is seen by everybody on the machine"


@pytest.mark.parametrize("client", ["pip", "pip-tools", "hatch", "docker", "github-actions"])
def test_plain_http_wants_trust_unless_it_is_this_machine(client: str) -> None:
    trust = re.compile(r"trusted.host.*pypi\.shop\.example:8080", re.IGNORECASE)
    assert trust.search(text_of(client, PLAIN))
    for base in (SECURE, HERE, "http://localhost:8080", "http://[::1]:8080"):
        assert "trusted" not in text_of(client, base).lower()


def test_pdm_and_pipenv_want_trust_by_another_name() -> None:
    assert "verify_ssl = false" in text_of("pdm", PLAIN)
    assert "verify_ssl" not in text_of("pdm", SECURE) + text_of("pdm", HERE)
    assert "verify_ssl = false" in text_of("pipenv", PLAIN)
    assert "verify_ssl = true" in text_of("pipenv", SECURE)


def test_pip_is_configured_for_always() -> None:
    assert read_ini(of("pip", "ini", PLAIN).text) == {
        "global": {"index-url": f"{PLAIN}/simple/", "trusted-host": "pypi.shop.example:8080"}
    }


def test_uv_has_the_mirror_in_place_of_its_default() -> None:
    index = tomli.loads(of("uv", "toml").text)["tool"]["uv"]["index"]
    assert index == [{"name": "mirror", "url": f"{SECURE}/simple/", "default": True}]


def test_a_netrc_names_the_host(tmp_path: Path) -> None:
    found = read_netrc(of("pip", "netrc", PLAIN, private=True).text, tmp_path)
    assert found.authenticators("pypi.shop.example") == ("NAME", "", "TOKEN")


def test_a_workflow_logs_in_before_it_installs() -> None:
    public = yaml.safe_load(of("github-actions", "yaml").text)["jobs"]["install"]
    private = yaml.safe_load(of("github-actions", "yaml", private=True).text)["jobs"]["install"]
    assert public["env"] == {"PIP_INDEX_URL": f"{SECURE}/simple/", "UV_DEFAULT_INDEX": f"{SECURE}/simple/"}
    assert len(public["steps"]) + 1 == len(private["steps"])
    login, install = private["steps"][-2:]
    assert login["env"]["MIRROR_TOKEN"] == "${{ secrets.MIRROR_TOKEN }}"
    assert install["run"].endswith(f"-r {SECURE}/requirements-prod.txt")


def test_the_login_step_of_a_workflow_writes_a_netrc(tmp_path: Path) -> None:
    workflow = yaml.safe_load(of("github-actions", "yaml", private=True).text)
    step = workflow["jobs"]["install"]["steps"][-2]
    environ = {"HOME": str(tmp_path), "MIRROR_NAME": "ci", "MIRROR_TOKEN": "s%ret", "PATH": "/usr/bin:/bin"}
    subprocess.run(["/bin/bash", "-ec", step["run"]], env=environ, check=True, timeout=20)
    written = tmp_path / ".netrc"
    assert netrc.netrc(str(written)).authenticators("pypi.shop.example") == ("ci", "", "s%ret")
    assert written.stat().st_mode & 0o077 == 0


def test_an_image_is_built_with_the_login_mounted() -> None:
    plain, _ = snippets("docker", SECURE)
    assert "--mount" not in plain.text
    image, build, _ = snippets("docker", SECURE, private=True)
    assert "RUN --mount=type=secret,id=netrc NETRC=/run/secrets/netrc pip install" in image.text
    assert build.text == 'docker build --secret id=netrc,src="$HOME/.netrc" -t shop .\n'


def test_an_image_built_here_sees_this_machine() -> None:
    assert of("docker", "bash", HERE).text == "docker build --network=host -t shop .\n"


def test_the_files_are_those_that_the_mirror_publishes() -> None:
    found = snippets("pip", SECURE, requirements="requirements/shop-prod.txt")
    assert f"-r {SECURE}/requirements/shop-prod.txt\n" in found[0].text


def test_locks_with_urls_are_told_where_they_are_published() -> None:
    def told(*, private: bool) -> str:
        found = snippets(
            "uv",
            SECURE,
            private=private,
            lock="pylock/pylock.linux-x86_64.toml",
            uv_lock="pylock/shop/uv.lock.toml",
        )
        return "".join(item.text for item in found)

    assert "pylock" not in text_of("uv", SECURE)
    assert f"uv pip sync {SECURE}/pylock/pylock.linux-x86_64.toml\n" in told(private=False)
    assert f"curl -fsS -o uv.lock {SECURE}/pylock/shop/uv.lock.toml\nuv sync --frozen" in told(private=False)
    assert "curl -fsS --netrc -o uv.lock" in told(private=True)


def test_a_client_nobody_knows() -> None:
    with pytest.raises(KeyError):
        snippets("conda", SECURE)
