"""Converting what another tool built, with real Terraform: what is imported, what is refused."""

import json

import pytest

from deployments.errors import AdoptedReadOnly, ConvertLosesData, TypedNameWrong
from deployments.models import StateVersion
from deployments.runstatus import RunStatus
from deployments.services import confirm_run, discard_run, queue_run
from tenants import adoption, services
from tenants.adoption import OldFile
from tenants.models import AuditEntry, CloudAccount, Region, Stack
from tests.cloudruns import TEST, do, log_of, queue
from tests.factories import without_four_eyes

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.terraform,
    pytest.mark.usefixtures("throw_away"),
]
S = RunStatus
NUMBER, CODE = "111122223333", "here-1"
VALUES = b'customer = "initech"\nsize = "large"\nsecret_word = "an-invented-word-42"\n'


def old(type_: str, name: str, **attributes: object) -> dict:
    arn = f"arn:cloud:things:{CODE}:{NUMBER}:{name}"
    found = {"id": f"{type_}-1", "arn": arn, "name": name, **attributes}
    return {"mode": "managed", "type": type_, "name": "this", "instances": [{"attributes": found}]}


STATE = {
    "version": 4,
    "terraform_version": "0.12.31",
    "serial": 12,
    "lineage": "x",
    "resources": [
        old("old_database", "initech-db"),
        old("old_machine", "a", tags={"Name": "initech-machine"}),
        old("old_balancer", "b"),
    ],
}


@pytest.fixture
def stack(places):
    without_four_eyes()
    account = CloudAccount.objects.create(name="here", provider="lab", account_number=NUMBER)
    region = Region.objects.create(account=account, slug="here", code=CODE)
    kind = services.blueprint_kind("adoptable", "tenant")
    files = OldFile("a.auto.tfvars", VALUES), OldFile("s.tfstate", json.dumps(STATE).encode())
    found = adoption.preview_tenant(kind, region, None, *files)
    tenant = adoption.adopt_tenant(TEST, found, region=region, blueprint="adoptable")
    return Stack.objects.get(tenant=tenant)


def fresh(stack: Stack) -> Stack:
    return Stack.objects.get(pk=stack.pk)


def test_the_preview_shows_what_converting_would_do_and_changes_nothing(worker, stack):
    run = do(worker, queue(stack, "convert_preview"))
    assert run.status == S.PLANNED_AND_FINISHED, (run.error_text, log_of(run))
    (found,) = run.findings
    told = {key: found["params"][key] for key in ("imported", "create", "replace", "left")}
    assert told == {"imported": 2, "create": 1, "replace": 0, "left": 1}
    assert not found["is_loud"]
    resources = {r["address"]: r["importing"] for r in run.plan.view["resources"]}
    assert resources["terraform_data.database"] and resources["terraform_data.machine"]
    after = fresh(stack)
    assert after.is_adopted and after.state_serial is None
    assert not StateVersion.objects.filter(stack=stack).exists()


def test_a_preview_names_the_data_that_would_be_lost_and_converting_is_refused(worker, stack):
    services.save_inputs(TEST, stack, {"engine": "another"})
    run = do(worker, queue(stack, "convert_preview"))
    assert run.status == S.PLANNED_AND_FINISHED, (run.error_text, log_of(run))
    assert run.findings[0]["is_loud"]
    assert "terraform_data.database (replaced because of" in run.findings[0]["params"]["data"]
    run = do(worker, queue(stack, "convert", auto_apply=True))
    assert run.status == S.ERRORED
    assert run.error["code"] == ConvertLosesData.__name__
    assert fresh(stack).is_adopted
    assert not StateVersion.objects.filter(stack=stack).exists()


def test_what_is_not_in_the_old_state_would_be_made_anew_without_its_data(worker, stack):
    stack.adoption["imports"] = [one for one in stack.adoption["imports"]
                                 if one["to"] != "terraform_data.database"]  # fmt: skip
    stack.save(update_fields=["adoption"])
    run = do(worker, queue(stack, "convert"))
    assert run.error["code"] == ConvertLosesData.__name__
    assert "made anew" in run.error_text


def test_converting_asks_for_the_name_and_makes_it_an_ordinary_stack(worker, stack):
    with pytest.raises(TypedNameWrong):
        queue_run(TEST, fresh(stack), "convert", typed_name="globex")
    with pytest.raises(AdoptedReadOnly):
        queue(stack, "change")
    run = do(worker, queue(stack, "convert"))
    assert run.status == S.PLANNED, (run.error_text, log_of(run))
    confirm_run(TEST, run, has_read=True, typed_name="initech")
    run = do(worker, run)
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    after = fresh(stack)
    assert not after.is_adopted
    assert (after.resource_count, after.outputs["machine"]["value"]) == (3, "old_machine-1")
    entry = AuditEntry.objects.get(action="tenant.convert")
    assert entry.before["state_serial"] == 12
    run = do(worker, queue(stack, "change"))
    assert (run.status, run.has_changes) == (S.PLANNED_AND_FINISHED, False), log_of(run)
    assert "an-invented-word-42" not in log_of(run)


def test_an_apply_that_was_discarded_leaves_it_adopted(worker, stack):
    run = do(worker, queue(stack, "convert"))
    discard_run(TEST, run)
    assert fresh(stack).is_adopted
    assert fresh(stack).resource_count == 3
