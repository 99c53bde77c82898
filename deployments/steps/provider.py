"""What every step needs that asks a provider's API: clients, words for errors, whose is what."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deployments.cloud import sessions
from deployments.cloud.words import API_ERRORS, refusal_for
from deployments.steps.errors import BucketNotOurs, InstanceNotOurs, NoInstance
from deployments.work import Work

STACK_TAG, COMPONENT_TAG = "omlsaas:stack", "omlsaas:component"


@contextmanager
def asking(what: Any) -> Iterator[None]:
    """Turn errors of the calls inside into refusals that name what was tried."""
    try:
        yield
    except API_ERRORS as error:
        raise refusal_for(error, what) from error


def client(work: Work, service: str) -> Any:
    """Return a client of a service in the stack's region."""
    return sessions.client(work.stack.region, service)


def own_bucket(work: Work, bucket: str) -> str:
    """Return the bucket, which must be an output of the stack. Raises BucketNotOurs."""
    if bucket not in [value for value in work.outputs().values() if isinstance(value, str)]:
        raise BucketNotOurs(bucket=bucket, stack=work.stack)
    return bucket


def own_instances(work: Work, component: str, instance_id: str = "") -> list[dict[str, Any]]:
    """Return the running machines of a component of this stack, as the API describes them.

    With an id exactly that one. Raises NoInstance, and InstanceNotOurs for one whose tags or
    account are not the stack's: nothing may ever reach another tenant's machine.
    """
    expected = _expected_tags(work, component)
    tags = [{"Name": f"tag:{key}", "Values": values} for key, values in expected.items()]
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    ec2 = client(work, "ec2")
    wanted = {"InstanceIds": [instance_id]} if instance_id else {"Filters": tags + running}
    found = []
    for page in ec2.get_paginator("describe_instances").paginate(**wanted):
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                check_own(work, instance, reservation.get("OwnerId", ""), component)
                if instance["State"]["Name"] == "running":
                    found.append(instance)
    if not found:
        raise NoInstance(stack=work.stack, component=component or instance_id)
    return sorted(found, key=lambda instance: instance["InstanceId"])


def _expected_tags(work: Work, component: str) -> dict[str, list[str]]:
    """Return the tags of the stack's own machines, each with the values that it may have.

    Machines that another tool made know our tags not: the adoption keeps their names.
    """
    if work.stack.adoption is not None:
        names = work.stack.adoption["machines"]
        return {"Name": [names.get(component, "")] if component else sorted(names.values())}
    found = {STACK_TAG: [work.stack.name]}
    return found | ({COMPONENT_TAG: [component]} if component else {})


def check_own(work: Work, instance: dict[str, Any], owner: str, component: str = "") -> None:
    """Raise InstanceNotOurs unless a machine's tags and account are those of the stack."""
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
    account = work.stack.region.account.account_number
    expected = _expected_tags(work, component)
    wrong = [key for key, values in expected.items() if tags.get(key) not in values]
    why = ""
    if wrong:
        why = f"{wrong[0]} = {tags.get(wrong[0], '–')}"
    elif account and owner and owner != account:
        why = f"account {owner}"
    if why:
        raise InstanceNotOurs(instance=instance["InstanceId"], stack=work.stack, why=why)
