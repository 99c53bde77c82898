"""The status table at a provider: one item per run and step, in the shape that others read."""

import re

import pytest

from deployments import outbox
from deployments.runstatus import RunStatus
from notices import services, tasks
from notices.models import Delivery
from tenants import actors
from tests.awsapi import make_cloud_region
from tests.factories import make_run, make_step

TEST = actors.system("test")
pytestmark = pytest.mark.django_db


@pytest.fixture
def table(aws):
    aws.client("dynamodb").create_table(
        TableName="runs",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return aws


def items(aws):
    found = aws.client("dynamodb").scan(TableName="runs")["Items"]
    return {item["id"]["S"]: {k: v["S"] for k, v in item.items()} for item in found}


def mirror(aws, name="runs"):
    region = make_cloud_region(aws)
    channel, key = services.create_channel(
        TEST, name="mirror", kind="status_table", region=region, table_name=name
    )
    assert key == ""
    services.subscribe(TEST, channel, events=[])
    return channel


def test_each_step_has_an_item_that_follows_it(table):
    mirror(table)
    run = make_run(status=RunStatus.APPLYING)
    first, second = make_step(run), make_step(run)
    outbox.put_step(first)
    tasks.send()
    item = items(table)[f"{run.public_id}#1"]
    assert item["currentStatus"] == "Creating" and item["action"].startswith("Deploying ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item["updatedAt"])
    outbox.put_step(first, has_failed=False)
    outbox.put_step(second)
    outbox.put_step(second, has_failed=True)
    tasks.send()
    found = items(table)
    assert found[f"{run.public_id}#1"]["currentStatus"] == "OK"
    assert found[f"{run.public_id}#1"]["action"].endswith(" successfully deployed")
    assert found[f"{run.public_id}#2"]["currentStatus"] == "KO"
    assert found[f"{run.public_id}#2"]["action"].startswith("Failed deploy ")
    assert set(found) == {f"{run.public_id}#1", f"{run.public_id}#2"}


def test_a_beginning_that_comes_late_does_not_undo_the_end(table):
    mirror(table)
    step = make_step()
    outbox.put_step(step, has_failed=False)
    tasks.send()
    outbox.put_step(step)
    tasks.send()
    assert items(table)[f"{step.run.public_id}#1"]["currentStatus"] == "OK"
    assert {d.status for d in Delivery.objects.all()} == {"sent"}


def test_a_table_that_is_not_there_touches_no_run(table):
    channel = mirror(table, name="missing")
    step = make_step()
    outbox.put_step(step)
    tasks.send()
    delivery = Delivery.objects.get()
    assert delivery.status == "waiting" and "missing" in delivery.last_error_text
    channel.refresh_from_db()
    assert channel.failing_since is not None
    step.run.refresh_from_db()
    assert step.run.status == RunStatus.APPLYING
