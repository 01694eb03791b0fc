"""Requirements files made from Python values, as pip-compile writes them.

``requirements_file(required("demo"), options=["--pre"])`` is the text of a file; ``requirements`` makes of
such texts what the readers take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests.locks import digest_of

LOCK = "requirements.txt"


def required(
    name: str,
    version: str = "1.0",
    *,
    marker: str = "",
    extras: Sequence[str] = (),
    hashes: Sequence[str] | None = None,
) -> str:
    """A pinned requirement with its continuation lines; left out, ``hashes`` is one made of its name."""
    digests = [digest_of(f"{name} {version}")] if hashes is None else hashes
    asked = f"{name}[{','.join(extras)}]" if extras else name
    first = f"{asked}=={version}" + (f" ; {marker}" if marker else "")
    return " \\\n    ".join((first, *(f"--hash=sha256:{digest}" for digest in digests)))


def requirements_file(*lines: str, options: Sequence[str] = ()) -> str:
    """The text of a file: a header of comments, options, and requirements that say who wants them."""
    header = ("#", "# This file is generated", "#")
    return "\n".join((*header, *options, *(f"{line}\n    # via something" for line in lines))) + "\n"


def requirements(
    text: str | bytes,
    others: Mapping[str, str] | None = None,
    *,
    dev: Sequence[str] = (),
    folder: str = "shop",
) -> ProjectFiles:
    """A project of one requirements file; ``others`` lie beside it, ``dev`` names those of the group."""
    files = {LOCK: text.encode() if isinstance(text, str) else text}
    files.update({name: content.encode() for name, content in (others or {}).items()})
    return ProjectFiles(folder, folder, LOCK, files, {"dev": tuple(dev)} if dev else {})
