"""Requirements files with hashes: pip's format, as pip-compile, uv and others write it.

The main file is what the project itself wants; files given for a group are sets of their own. Sets may be
installed together or alone: what they say of the same release is united, and different versions are
different pins. File names are not told: ``domain.naming`` finds them by hash.
"""

from __future__ import annotations

from mirror_pipeline.domain.lock import Lock, Root, Source
from mirror_pipeline.lockfiles.hash_pins import Gathered
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.requirements_sets import RequirementSet, read_set, resolved

FORMAT = "requirements"
FILE_NAMES = ("requirements.txt", "requirements.lock")


def recognizes(document: str) -> bool:
    """Nothing tells requirements from other text but that every line is one: the reader says which is not."""
    return isinstance(document, str)


def read(document: str, project: ProjectFiles) -> Lock:
    """Read a requirements file with what it includes, and those of the project's groups."""
    del document  # the set begins with it, and reads it as it reads the others
    main = read_set(project, project.lock_name)
    sets = [(Root(), main)]
    for group, names in sorted(project.groups.items()):
        sets.extend((Root("group", group), read_set(project, name)) for name in names)
    gathered = Gathered()
    for root, found in sets:
        for wanted in resolved(found, _source(found, main)):
            gathered.add(wanted.pin, root, wanted.marker)
    warnings = dict.fromkeys(warning for _, found in sets for warning in found.warnings)
    if not gathered.pins:
        warnings[f"{project.lock_path}: no requirements in it"] = None
    return Lock(
        project=project.name,
        format=FORMAT,
        format_version="",
        requires_python="",
        groups=tuple(sorted(project.groups)),
        extras=(),
        pins=gathered.pins,
        edges=gathered.edges,
        warnings=tuple(warnings),
    )


def _source(found: RequirementSet, main: RequirementSet) -> Source:
    """A group's file that names no index goes with those of the main one."""
    return found.source if found.source != Source() else main.source
