"""What the commands below ``infra`` do, between the options of ``cli`` and the phases. Like ``commands``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from mirror_pipeline import results
from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.config_file import set_values
from mirror_pipeline.adapters.documents import as_plain
from mirror_pipeline.adapters.provisioning.calls import account_number, clients_of
from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.domain.cloud import Cloud, StorePlace
from mirror_pipeline.domain.iam import Policy, provisioner_policy, publisher_policy, worker_policy
from mirror_pipeline.domain.infra import Removal, Step, shown
from mirror_pipeline.errors import CloudError, SettingsError, UsageError
from mirror_pipeline.phases.infrastructure import KEYS, Planned, Provisioned, apply, plan
from mirror_pipeline.phases.infrastructure_account import Account, account_of
from mirror_pipeline.phases.infrastructure_removal import destroy, removals
from mirror_pipeline.phases.mirror import build_mirror

Role = Literal["provisioner", "publisher", "worker"]

IN_LINE, DRIFT = "ok", "findings"
_ID, _DOMAIN, _ = KEYS
_ACCOUNT = re.compile(r"[0-9]{12}")


def plan_command(call: Invocation) -> Answer:
    """What ``apply`` would do; exit 1 where that is something."""
    planned = plan(_account(call))
    if not call.json:
        _print_plan(planned)
    status, code = (IN_LINE, results.OK) if planned.in_line else (DRIFT, results.FOUND)
    return {
        "status": status,
        "resources": [_step_object(step) for step in planned.steps],
        "dns": [as_plain(record) for record in planned.dns],
        "notes": list(planned.notes),
    }, code


def apply_command(call: Invocation, *, adopt: bool) -> Answer:
    """Make it so, and write the ids down as soon as they are known."""
    written: list[str] = []

    def record(ids: Mapping[str, str]) -> None:
        written.extend(_write_down(call, ids))

    done = apply(_account(call), adopt=adopt, record=record)
    if done.changed or done.waited or written:
        _record(call, done)
    if not call.json:
        _print_applied(done, _address(call, done))
    return {
        "status": IN_LINE,
        "changed": [_step_object(step) for step in done.changed],
        "resources": [_step_object(step) for step in done.steps],
        "ids": dict(done.ids),
        "written": written,
        "notes": list(done.notes),
    }, results.OK


def _address(call: Invocation, done: Provisioned) -> str:
    """What clients are told, as the next command will read it; the distribution's own name may be new."""
    cloud, made = call.reload().cloud, f"https://{done.ids[_DOMAIN]}"
    return made if cloud.public_url in ("", f"https://{cloud.distribution_domain}") else cloud.public_url


def _record(call: Invocation, done: Provisioned) -> None:
    """Put it into the history that the UI shows."""
    from mirror_pipeline.instance import dagster_home, open_instance  # slow to import, and all is done by now
    from mirror_pipeline.refresh import record_provisioning

    with open_instance(dagster_home(call.settings, call.environ)) as instance:
        record_provisioning(build_mirror(call.reload(), call.progress), instance, done.version, done.ids)


def destroy_command(call: Invocation, *, yes: bool, delete_objects: bool) -> Answer:
    """Name what would go; take it down only when told so."""
    account = _account(call)
    if not yes:
        found = removals(account, delete_objects=delete_objects)
        if not call.json:
            _print_removals("With --yes", found, "would be deleted")
        return _removed_object(found, dry_run=True), results.OK
    found = destroy(account, delete_objects=delete_objects)
    if not any(removal.kind == "distribution" and removal.action == "keep" for removal in found):
        _write_down(call, _cleared(account.cloud))
    if not call.json:
        _print_removals("Infrastructure", found, "deleted")
    return _removed_object(found, dry_run=False), results.OK


def policy_command(call: Invocation, *, role: Role, account: str, delete_objects: bool) -> Answer:
    """The least a role needs, as an IAM policy."""
    cloud, store = call.settings.cloud, call.settings.store
    _refuse_no_account(account)
    if role == "worker":
        return _policy_answer(call, role, account, worker_policy(_store(store)))
    if role == "provisioner":
        _refuse_without_distribution(cloud)
    _refuse_without_bucket(cloud)
    names_account = cloud.on_aws or bool(cloud.distribution)  # an S3 server by others has no accounts
    number = account or (_number(cloud) if names_account else "")
    if role == "publisher":
        policy = publisher_policy(cloud, number, store)
    else:
        policy = provisioner_policy(cloud, number, delete_objects=delete_objects)
    return _policy_answer(call, role, number, policy)


def _policy_answer(call: Invocation, role: Role, number: str, policy: Policy) -> Answer:
    if not call.json:
        print(json.dumps(policy, indent=1))  # noqa: T201
    return {"status": IN_LINE, "role": role, "account": number or None, "policy": policy}, results.OK


def _store(store: StorePlace | None) -> StorePlace:
    if store is None:
        raise SettingsError(
            "MIRROR_STORE_URL is empty: workers have a disk in common, and need no rights",
            key="MIRROR_STORE_URL",
            value="",
            allowed="s3://bucket/prefix",
        )
    return store


def _refuse_no_account(account: str) -> None:
    if account and not _ACCOUNT.fullmatch(account):
        raise UsageError(f"--account {account!r} is no account's number", hint="it has 12 digits")


def _number(cloud: Cloud) -> str:
    """The number of the credentials' account; what is printed can do without credentials."""
    try:
        return account_number(clients_of(Aws(cloud)).sts)
    except CloudError as error:
        hint = f"'--account N' needs no credentials; {error.hint}" if error.hint else "give '--account N'"
        raise type(error)(error.message, hint=hint, **error.facts) from error


def _account(call: Invocation) -> Account:
    cloud = call.settings.cloud
    _refuse_without_bucket(cloud)
    _refuse_without_distribution(cloud)
    return account_of(cloud, call.progress)


def _refuse_without_bucket(cloud: Cloud) -> None:
    if not cloud.bucket:
        raise SettingsError(
            "BUCKET_NAME is empty: the mirror is published to a directory, and there is nothing to provision",
            hint="set BUCKET_NAME to the bucket that is to be made",
            key="BUCKET_NAME", value="", allowed="a bucket name",
        )  # fmt: skip


def _refuse_without_distribution(cloud: Cloud) -> None:
    if cloud.bucket and not cloud.on_aws:
        raise SettingsError(
            f"{cloud.bucket} is published to in place, which needs no distribution: nothing to provision",
            hint="with MIRROR_PUBLISH=generations bucket and distribution are made",
            key="MIRROR_PUBLISH", value=cloud.mode, allowed="generations",
        )  # fmt: skip


def _cleared(cloud: Cloud) -> Mapping[str, str]:
    """The keys that name what is gone."""
    values = zip(KEYS, (cloud.distribution, cloud.distribution_domain, cloud.oac), strict=True)
    return {key: "" for key, value in values if value}


def _write_down(call: Invocation, values: Mapping[str, str]) -> Sequence[str]:
    """Write keys into the configuration file; those that the environment gives are said instead."""
    from_environment = {key: value for key, value in values.items() if key in call.environ}
    for key, value in from_environment.items():
        if call.environ[key].strip() != value:
            call.progress.say(f"{key} is set in the environment, which wins: set it to {value or 'nothing'}")
    rest = {key: value for key, value in values.items() if key not in call.environ}
    if not rest:
        return ()
    if call.config is None:
        call.progress.say(f"no configuration file to write to: {_assignments(rest)}")
        return ()
    if not set_values(call.config, rest):
        return ()
    call.progress.say(f"{call.config}: {_assignments(rest)}")
    return tuple(rest)


def _assignments(values: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


def _step_object(step: Step) -> Mapping[str, Any]:
    return {
        "resource": step.kind,
        "name": step.name,
        "id": step.id or None,
        "action": step.action,
        "changes": [as_plain(change) for change in step.changes],
        "note": step.note or None,
    }


def _removed_object(found: Sequence[Removal], *, dry_run: bool) -> Mapping[str, Any]:
    objects = [
        {"resource": r.kind, "name": r.name, "id": r.id, "action": r.action, "why": r.why or None}
        for r in found
    ]
    return {"status": IN_LINE, "dry_run": dry_run, "resources": objects}


def _print_plan(planned: Planned) -> None:
    header = ("resource", "name", "action", "field", "now", "wanted")
    results.print_table("Infrastructure", header, (row for step in planned.steps for row in _rows(step)))
    for line in (*(f"DNS record to add: {record}" for record in planned.dns), *planned.notes):
        print(line)  # noqa: T201
    adopting = any(step.action == "adopt" for step in planned.steps)
    if adopting:
        print("What is there and not ours is taken over by 'infra apply --adopt' only.")  # noqa: T201
    elif not planned.in_line:
        print("'mirror-pipeline infra apply' makes it so.")  # noqa: T201


def _rows(step: Step) -> Iterable[Sequence[object]]:
    """A row per field that differs; the resource is named in the first of them. What is new has one row."""
    first: Sequence[object] = (step.kind, step.name, step.action)
    if step.action == "create":
        yield (*first, f"{len(step.changes)} fields", "", "")
        return
    if not step.changes:
        yield (*first, step.note, "", "")
    for change in step.changes:
        yield (*first, change.field, shown(change.now), shown(change.wanted))
        first = ("", "", "")
    if step.changes and step.note:
        yield (*first, step.note, "", "")


def _print_applied(done: Provisioned, address: str) -> None:
    rows = [(step.kind, step.name, _DONE[step.action], len(step.changes) or "") for step in done.steps]
    results.print_table("Infrastructure", ("resource", "name", "", "fields changed"), rows)
    for line in (f"distribution {done.ids[_ID]}: {address}/simple/", *done.notes, *_next(done)):
        print(line)  # noqa: T201


def _next(done: Provisioned) -> Iterable[str]:
    """What makes a generation live at what is new."""
    made = {step.kind for step in done.steps if step.action == "create"}
    blank = any(step.kind == "function" and (step.note or step.action == "adopt") for step in done.steps)
    if blank or ("function" in made and "bucket" not in made):
        yield "'mirror-pipeline refresh --repair' makes the newest generation live again."
    elif made & {"function", "distribution"}:
        yield "'mirror-pipeline refresh' publishes."


_DONE = {"create": "created", "update": "updated", "adopt": "adopted", "none": "as it was"}


def _print_removals(title: str, found: Sequence[Removal], gone: str) -> None:
    if not found:
        print("There is nothing to delete.")  # noqa: T201
        return
    rows = [(r.kind, r.name, r.id, gone if r.action == "delete" else "kept", r.why) for r in found]
    results.print_table(title, ("resource", "name", "id", "", "why"), rows)
