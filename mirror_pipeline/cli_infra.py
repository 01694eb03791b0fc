"""The options of ``mirror-pipeline infra``. What the commands do is in ``infra_commands``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from mirror_pipeline import infra_commands
from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.infra_commands import Role

_DELETE_OBJECTS = "Delete every object in the bucket with all its versions, and the bucket."


@click.group("infra")
def group() -> None:
    """Provision AWS: bucket, distribution, and what they need."""


def plan(call: Invocation) -> Answer:
    """Show what 'apply' would do, field by field; change nothing."""
    return infra_commands.plan_command(call)


@click.option("--adopt", is_flag=True, help="Take over what exists and was not made by this project.")
def apply(call: Invocation, *, adopt: bool) -> Answer:
    """Make everything as configured, and write the ids into the configuration file."""
    return infra_commands.apply_command(call, adopt=adopt)


@click.option("--delete-objects", is_flag=True, help=_DELETE_OBJECTS)
@click.option("--yes", is_flag=True, help="Do it; without this it is only told what would go.")
def destroy(call: Invocation, *, yes: bool, delete_objects: bool) -> Answer:
    """Take down what 'apply' made; a bucket with objects stays."""
    return infra_commands.destroy_command(call, yes=yes, delete_objects=delete_objects)


@click.option("--delete-objects", is_flag=True, help="Let the provisioner 'destroy --delete-objects'.")
@click.option("--account", default="", help="The account's number (default: that of the credentials).")
@click.argument("role", type=click.Choice(["provisioner", "publisher", "worker"]))
def policy(call: Invocation, *, role: Role, account: str, delete_objects: bool) -> Answer:
    """Print the least that a role needs, as an IAM policy."""
    return infra_commands.policy_command(call, role=role, account=account, delete_objects=delete_objects)


COMMANDS: Mapping[str, Callable[..., Answer]] = {
    "plan": plan,
    "apply": apply,
    "destroy": destroy,
    "policy": policy,
}
