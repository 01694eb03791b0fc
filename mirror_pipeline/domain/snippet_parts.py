"""The pieces that snippets for clients are made of: a mirror's addresses, and texts with values put in.

Which client gets which is in ``domain.snippets``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from ipaddress import ip_address
from shlex import quote as for_shell
from textwrap import dedent
from urllib.parse import quote, urlsplit

_AS_IT_IS = "%/:@[]~+,=-._"
"""What is not encoded; brackets are quoted for a shell."""

Part = tuple[str, str, str, str]
"""Title, language, file, text."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mirror's addresses, and what tools want to know about them."""

    base: str
    private: bool
    requirements: str
    lock: str
    uv_lock: str
    project: str = ""
    """Whose requirements and locks these are, where a mirror has several projects."""

    @classmethod
    def of(
        cls, base: str, private: bool, requirements: str, lock: str, uv_lock: str, project: str = ""
    ) -> Address:
        """With what means something to TOML, YAML or a shell encoded, as a URL may have it."""
        return cls(quote(base, safe=_AS_IT_IS), private, requirements, lock, uv_lock, project)

    @property
    def index(self) -> str:
        """The Simple index."""
        return f"{self.base}/simple/"

    @property
    def wanted(self) -> str:
        """The requirements file's URL."""
        return f"{self.base}/{self.requirements}"

    @property
    def pinned(self) -> str:
        """What a command with the requirements installs, as a title."""
        return f"What the lock {f'of {self.project} ' if self.project else ''}pins, with its hashes"

    @property
    def whose(self) -> str:
        """The project that has a relocated uv.lock, as the beginning of a title."""
        return f"The project {self.project}" if self.project else "A project whose lock is mirrored"

    @property
    def host(self) -> str:
        """Without the port."""
        return urlsplit(self.base).hostname or ""

    @property
    def secure(self) -> bool:
        """Whether it has TLS."""
        return urlsplit(self.base).scheme == "https"

    @property
    def on_this_machine(self) -> bool:
        """Whether it is reached over the loopback interface."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def distrusted(self) -> str:
        """Host and port that pip does not fetch from unless it is told to; '' where it does."""
        return "" if self.secure or self.on_this_machine else urlsplit(self.base).netloc

    def with_login(self, login: str) -> str:
        """The index's URL with a login before the host, for tools that replace variables there."""
        return self.index.replace("://", f"://{login}@", 1) if self.private else self.index


def filled(text: str, **values: str) -> str:
    """A text without its indentation, with the values in it. A line that is nothing but an empty one goes."""
    lines = []
    for line in dedent(text).strip("\n").splitlines():
        if values.get(line.strip()[1:-1]) != "":
            lines.append(reduce(_with_value, values.items(), line))
    return "\n".join(lines) + "\n"


def _with_value(line: str, item: tuple[str, str]) -> str:
    return line.replace(f"{{{item[0]}}}", item[1])


def netrc(mirror: Address) -> Iterator[Part]:
    """The login for every tool that reads netrc; such a file is read by its owner alone."""
    if mirror.private:
        text = f"machine {mirror.host} login NAME password TOKEN\n"
        yield "The login, in a file of mode 600", "netrc", "~/.netrc", text


def exported(mirror: Address, title: str, prefix: str) -> Iterator[Part]:
    """The login for a tool that reads it from two variables."""
    if mirror.private:
        text = f"export {prefix}_USERNAME=NAME\nexport {prefix}_PASSWORD=TOKEN\n"
        yield title, "bash", "", text


def trusted_option(mirror: Address) -> str:
    """A line of a command of pip; '' where pip trusts the host."""
    return f"--trusted-host {for_shell(mirror.distrusted)} \\" if mirror.distrusted else ""
