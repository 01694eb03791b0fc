"""The folder ``deploy/`` as tests see it: its files, the variables they ask for, and what is filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
ONE_HOST, POSTGRES_S3, ECS = (DEPLOY / name for name in ("one-host", "postgres-s3", "ecs"))
FOLDERS = (ONE_HOST, POSTGRES_S3, ECS)
TASKS = ("run", "service")
"""Task definitions."""
ROLES = ("run", "service", "execution")
"""Policies."""

_PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")


def read_yaml(path: Path) -> Any:
    """A YAML file's value."""
    return yaml.safe_load(path.read_text("utf-8"))


def asked_for(value: Any) -> Iterator[str]:
    """The variables that a configuration takes from the environment."""
    if isinstance(value, Mapping):
        if set(value) == {"env"}:
            yield value["env"]
        else:
            for inner in value.values():
                yield from asked_for(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from asked_for(inner)


def placeholders(path: Path) -> set[str]:
    """What a template leaves open."""
    return set(_PLACEHOLDER.findall(path.read_text("utf-8")))


def filled(path: Path, values: Mapping[str, str]) -> Any:
    """A JSON template with everything filled in; a placeholder without a value is an error."""
    return json.loads(Template(path.read_text("utf-8")).substitute(values))


def task_definition(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """A task definition, ready to be registered."""
    definition: dict[str, Any] = filled(ECS / f"{name}.task-definition.json", values)
    return definition


def policy(role: str, values: Mapping[str, str]) -> dict[str, Any]:
    """A role's policy."""
    document: dict[str, Any] = filled(ECS / f"{role}-role.json", values)
    return document


def example_variables() -> dict[str, str]:
    """``mirror.env.example``, also what is commented out there."""
    text = (POSTGRES_S3 / "mirror.env.example").read_text("utf-8")
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))
