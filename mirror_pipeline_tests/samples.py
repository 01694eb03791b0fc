"""A small lock of every format, as its tool writes it: for tests that look at all formats alike.

All of them lock the same: ``alpha`` everywhere, ``native`` with one wheel per platform, ``winonly`` on
Windows, ``checker`` for development and ``fast`` for an extra, as far as the format can say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import tomli_w

from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests.locks import digest_of

INDEX = "https://index.example/simple"
FILES: Mapping[str, tuple[str, ...]] = {
    "alpha": ("alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"),
    "native": (
        "native-2.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "native-2.0-cp312-cp312-win_amd64.whl",
    ),
    "winonly": ("winonly-1.0-py3-none-any.whl",),
    "checker": ("checker-7.0-py3-none-any.whl",),
    "fast": ("fast-3.1-py3-none-any.whl",),
}
VERSIONS = {"alpha": "1.0", "native": "2.0", "winonly": "1.0", "checker": "7.0", "fast": "3.1"}
MARKERS = {"winonly": "sys_platform == 'win32'"}
GROUP = {"checker": "dev"}
EXTRA = {"fast": "speed"}
MAIN = ("alpha", "native", "winonly")


@dataclass(frozen=True)
class Sample:
    """One lock: its file name, its text, and other files of the project."""

    name: str
    text: str
    beside: Mapping[str, str] = field(default_factory=dict)

    def project(self, text: str | bytes | None = None) -> ProjectFiles:
        """What a reader takes; with another text in place of the lock's own."""
        content = self.text if text is None else text
        own = content.encode() if isinstance(content, str) else content
        files = {self.name: own, **{name: other.encode() for name, other in self.beside.items()}}
        return ProjectFiles("shop", "shop", self.name, files)


def _files(project: str) -> list[dict[str, str]]:
    return [{"file": name, "hash": f"sha256:{digest_of(name)}"} for name in FILES[project]]


def _url(name: str) -> str:
    return f"https://files.example/{name}"


def _pyproject() -> str:
    return tomli_w.dumps(
        {
            "project": {
                "name": "shop",
                "version": "1.0",
                "requires-python": ">=3.10",
                "dependencies": [f"{name} ; {MARKERS[name]}" if name in MARKERS else name for name in MAIN],
                "optional-dependencies": {"speed": ["fast"]},
            },
            "dependency-groups": {"dev": ["checker"]},
        }
    )


def _poetry(version: str) -> Sample:
    packages = []
    for project in FILES:
        package: dict[str, object] = {
            "name": project,
            "version": VERSIONS[project],
            "description": "",
            "optional": project in EXTRA,
            "python-versions": "*",
        }
        if version in ("0.x", "1.0", "1.1"):
            package["category"] = "dev" if project in GROUP else "main"
        else:
            package["files"] = _files(project)
        if version == "2.1":
            package["groups"] = [GROUP.get(project, "main")]
            conditions = [
                MARKERS.get(project, ""),
                f'extra == "{EXTRA[project]}"' if project in EXTRA else "",
            ]
            package["markers"] = " and ".join(filter(None, conditions))
        packages.append(package)
    metadata: dict[str, object] = {"python-versions": ">=3.10", "content-hash": "0" * 64}
    if version not in ("0.x", "1.0"):
        metadata["lock-version"] = version
    if version == "0.x":
        metadata["hashes"] = {
            project: [digest_of(name) for name in names] for project, names in FILES.items()
        }
    elif version in ("1.0", "1.1"):
        metadata["files"] = {project: _files(project) for project in FILES}
    document = {"package": packages, "extras": {"speed": ["fast"]}, "metadata": metadata}
    return Sample("poetry.lock", tomli_w.dumps(document), {"pyproject.toml": _poetry_pyproject()})


def _poetry_pyproject() -> str:
    dependencies: dict[str, object] = {"python": ">=3.10", "alpha": "*", "native": "*"}
    dependencies["winonly"] = {"version": "*", "markers": MARKERS["winonly"]}
    dependencies["fast"] = {"version": "*", "optional": True}
    own = {"name": "shop", "version": "1.0", "dependencies": dependencies, "extras": {"speed": ["fast"]}}
    return tomli_w.dumps({"tool": {"poetry": {**own, "dev-dependencies": {"checker": "*"}}}})


def _uv(table: str, revision: int | None) -> Sample:
    def entry(name: str) -> dict[str, object]:
        return {"url": _url(name), "hash": f"sha256:{digest_of(name)}", "size": 1000}

    packages: list[dict[str, object]] = []
    for project, names in FILES.items():
        package: dict[str, object] = {
            "name": project,
            "version": VERSIONS[project],
            "source": {"registry": INDEX},
            "wheels": [entry(name) for name in names if name.endswith(".whl")],
        }
        packages.append(package)
    packages[0]["sdist"] = entry(FILES["alpha"][1])
    needs = [{"name": name, **({"marker": MARKERS[name]} if name in MARKERS else {})} for name in MAIN]
    packages.append(
        {
            "name": "shop",
            "version": "1.0",
            "source": {"virtual": "."},
            "dependencies": needs,
            "optional-dependencies": {"speed": [{"name": "fast"}]},
            "dev-dependencies": {"dev": [{"name": "checker"}]},
        }
    )
    head: dict[str, object] = {"version": 1, "requires-python": ">=3.10"}
    if revision is not None:
        head["revision"] = revision
    return Sample("uv.lock", tomli_w.dumps({**head, table: packages}))


def _pdm(version: str) -> Sample:
    packages = []
    for project in FILES:
        package: dict[str, object] = {"name": project, "version": VERSIONS[project], "summary": ""}
        group = GROUP.get(project) or EXTRA.get(project) or "default"
        if version == "2":
            package["sections"] = [group]
        elif version == "4.5.0":
            package["groups"] = [group]
            package["files"] = _files(project)
        if version in ("2", "4.5.0") and project in MARKERS:
            package["marker"] = MARKERS[project]
        packages.append(package)
    metadata: dict[str, object] = {"lock_version": version, "content_hash": "sha256:" + "0" * 64}
    if version == "4.5.0":
        metadata["groups"] = ["default", "dev", "speed"]
        metadata["strategy"] = ["inherit_metadata"]
        metadata["targets"] = [{"requires_python": ">=3.10"}]
    else:
        metadata["files"] = {f"{project} {VERSIONS[project]}": _files(project) for project in FILES}
    document = {"package": packages, "metadata": metadata}
    return Sample("pdm.lock", tomli_w.dumps(document), {"pyproject.toml": _pyproject()})


def _pylock() -> Sample:
    packages = []
    for project, names in FILES.items():
        entries = [
            {"name": name, "url": _url(name), "size": 1000, "hashes": {"sha256": digest_of(name)}}
            for name in names
        ]
        package: dict[str, object] = {"name": project, "version": VERSIONS[project], "index": INDEX}
        asked = [MARKERS.get(project, "")]
        asked += [f"'{GROUP[project]}' in dependency_groups"] if project in GROUP else []
        asked += [f"'{EXTRA[project]}' in extras"] if project in EXTRA else []
        if any(asked):
            package["marker"] = " and ".join(filter(None, asked))
        package["wheels"] = [entry for entry in entries if str(entry["name"]).endswith(".whl")]
        if project == "alpha":
            package["sdist"] = entries[1]
        packages.append(package)
    head = {"lock-version": "1.0", "created-by": "shop", "requires-python": ">=3.10"}
    return Sample(
        "pylock.toml",
        tomli_w.dumps({**head, "extras": ["speed"], "dependency-groups": ["dev"], "packages": packages}),
    )


def _pipfile() -> Sample:
    def section(*projects: str) -> dict[str, object]:
        return {
            project: {
                "hashes": [f"sha256:{digest_of(name)}" for name in FILES[project]],
                "index": "pypi",
                "version": f"=={VERSIONS[project]}",
                **({"markers": MARKERS[project]} if project in MARKERS else {}),
            }
            for project in projects
        }

    meta = {
        "hash": {"sha256": "0" * 64},
        "pipfile-spec": 6,
        "requires": {"python_version": "3.12"},
        "sources": [{"name": "pypi", "url": INDEX, "verify_ssl": True}],
    }
    document = {
        "_meta": meta,
        "default": section(*MAIN),
        "develop": section("checker"),
        "speed": section("fast"),
    }
    return Sample("Pipfile.lock", json.dumps(document, indent=4))


def _requirements() -> Sample:
    def block(project: str) -> str:
        marker = f" ; {MARKERS[project]}" if project in MARKERS else ""
        hashes = [f"    --hash=sha256:{digest_of(name)}" for name in FILES[project]]
        return " \\\n".join([f"{project}=={VERSIONS[project]}{marker}", *hashes]) + "\n    # via shop\n"

    base = "".join(block(project) for project in MAIN[1:])
    return Sample("requirements.txt", "# made by hand\n-r base.txt\n" + block("alpha"), {"base.txt": base})


SAMPLES: Mapping[str, Sample] = {
    **{f"poetry {version}": _poetry(version) for version in ("0.x", "1.0", "1.1", "2.0", "2.1")},
    "uv, oldest": _uv("distribution", None),
    "uv": _uv("package", 3),
    **{f"pdm {version}": _pdm(version) for version in ("2", "3.1", "4.5.0")},
    "pylock": _pylock(),
    "Pipfile.lock": _pipfile(),
    "requirements": _requirements(),
}
