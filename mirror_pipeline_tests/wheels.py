"""Real distributions made on the spot: wheels and sdists that pip installs, the same bytes every time.

``wheel("alpha")`` and ``sdist("alpha")`` give a ``Dist``: file name, bytes, SHA-256 and what a page or a lock
says of it. Nothing in them depends on a clock, a machine or a random number. An sdist carries its own build
backend and needs no other, so that it builds without a network.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from packaging.utils import NormalizedName, canonicalize_name

from mirror_pipeline.domain.artifact import Artifact

PURE = "py3-none-any"
_MIDNIGHT = (2020, 2, 2, 0, 0, 0)
_BACKEND = """\
import base64
import pathlib


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    built = next(pathlib.Path(__file__).parent.glob("*.whl.txt"))
    wheel = pathlib.Path(wheel_directory, built.stem)
    wheel.write_bytes(base64.b64decode(built.read_bytes()))
    return wheel.name
"""
_PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@dataclass(frozen=True)
class Dist:
    """A distribution file. ``requires_python`` is what its own metadata says."""

    project: NormalizedName
    version: str
    file: str
    content: bytes
    requires_python: str | None = None

    @cached_property
    def sha256(self) -> str:
        """Digest of the bytes, as a lock names it."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    def artifact(self, *, index: str | None = None, url: str | None = None) -> Artifact:
        """The file as a plan wants it."""
        return Artifact(self.file, self.sha256, self.project, self.version, index=index, url=url)


def wheel(
    name: str,
    version: str = "1.0",
    tag: str = PURE,
    *,
    requires_python: str | None = None,
    requires: Sequence[str] = (),
    payload: int = 0,
    metadata: bool = True,
    told: str = "",
) -> Dist:
    """A wheel (PEP 427) with one module. ``payload`` adds that many incompressible bytes.

    ``told`` is what METADATA says besides, lines of header fields.

    ``metadata=False`` leaves METADATA out: such a wheel exists, but nobody can install it.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    module = canonicalize_name(name).replace("-", "_")
    members = {f"{module}/__init__.py": f"__version__ = {version!r}\n".encode()}
    if payload:
        members[f"{module}/payload.bin"] = noise(f"{stem}-{tag}", payload)
    if metadata:
        text = metadata_text(name, version, requires_python, requires)
        members[f"{stem}.dist-info/METADATA"] = text + told.encode()
    members[f"{stem}.dist-info/WHEEL"] = _wheel_text(tag)
    members[f"{stem}.dist-info/RECORD"] = _record(members, f"{stem}.dist-info/RECORD")
    return Dist(canonicalize_name(name), version, f"{stem}-{tag}.whl", _zipped(members), requires_python)


def sdist(name: str, version: str = "1.0", *, requires_python: str | None = None, payload: int = 0) -> Dist:
    """A source distribution (PEP 625) that builds to ``wheel(name, version)``."""
    stem = f"{name.replace('-', '_')}-{version}"
    built = wheel(name, version, requires_python=requires_python, payload=payload)
    members = {
        "PKG-INFO": metadata_text(name, version, requires_python, ()),
        "pyproject.toml": _PYPROJECT.encode(),
        "backend.py": _BACKEND.encode(),
        # As text: an archive that holds another one as it stands is taken for the inner one by pip.
        f"{built.file}.txt": base64.b64encode(built.content),
    }
    content = _tarred({f"{stem}/{name}": data for name, data in members.items()})
    return Dist(canonicalize_name(name), version, f"{stem}.tar.gz", content, requires_python)


def noise(seed: str, size: int) -> bytes:
    """Bytes that look random, always the same for the same seed."""
    return hashlib.shake_256(seed.encode()).digest(size)


def metadata_text(name: str, version: str, requires_python: str | None, requires: Sequence[str]) -> bytes:
    """Core metadata, as METADATA has it."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    extras = dict.fromkeys(extra for text in requires for extra in re.findall(r"extra == '([\w-]+)'", text))
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    return ("\n".join(lines) + "\n").encode()


def _wheel_text(tag: str) -> bytes:
    interpreters, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = [f"Tag: {i}-{a}-{p}" for i in interpreters for a in abis for p in platforms]
    pure = str(platforms == ["any"]).lower()
    return "\n".join(
        ["Wheel-Version: 1.0", "Generator: tests", f"Root-Is-Purelib: {pure}", *tags, ""]
    ).encode()


def _record(members: Mapping[str, bytes], own_name: str) -> bytes:
    lines = []
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}")
    return "\n".join([*lines, f"{own_name},,", ""]).encode()


def _zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, _MIDNIGHT)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, wherever this runs
            archive.writestr(entry, data)
    return buffer.getvalue()


def _tarred(members: Mapping[str, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), compresslevel=0, mtime=0)


def provenance(dist: Dist, *, sha256: str = "", builder: str = "ci.example") -> bytes:
    """A provenance object (PEP 740) about a file, or about other bytes under its name. Nobody signed it."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": dist.file, "digest": {"sha256": sha256 or dist.sha256}}],
        "predicateType": "https://docs.example/attestations/publish/v1",
        "predicate": None,
    }
    envelope = {"statement": base64.b64encode(json.dumps(statement).encode()).decode(), "signature": "AA=="}
    material = {"certificate": "AA==", "transparency_entries": []}
    attestation = {"version": 1, "envelope": envelope, "verification_material": material}
    bundle = {"publisher": {"kind": builder, "claims": {}}, "attestations": [attestation]}
    return json.dumps({"version": 1, "attestation_bundles": [bundle]}, indent=2).encode()
