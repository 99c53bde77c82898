"""Taking a tenant over: what is kept, whose it must be, what an adopted stack can do."""

import io
import json
import shutil
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from deployments.errors import AdoptedReadOnly
from deployments.services import archive, queue_run
from tenants import actors, adoption, secrets, services
from tenants.adoption import PreviewGone
from tenants.errors import AdoptionRefused, NameTaken, NotAllowed
from tenants.models import AuditEntry, CloudAccount, Region, Stack, Tenant
from tenants.models.stacks import Condition
from tests.factories import make_environment, make_user, without_four_eyes

pytestmark = [pytest.mark.django_db, pytest.mark.terraform]
INITECH = Path(__file__).parents[1] / "adopt" / "initech"
SHELL = actors.system("test")
PASSWORDS = ("invented-ami-0001", "invented@pg-0002", "invented-mysql-0003")
OTHERS = ("invented-s3-secret-0004", "short")


@pytest.fixture
def region():
    without_four_eyes()
    account = CloudAccount.objects.create(
        name="prod", provider="aws", account_number="123456789012"
    )
    return Region.objects.create(
        account=account,
        slug="ohio",
        code="us-east-2",
        domain_name="cc.example.net",
        owner_prefix="acme",
    )


@pytest.fixture
def environment(region):
    return make_environment("shared1", region, blueprint="omnileads")


def preview(region, environment, folder=INITECH):
    kind = services.blueprint_kind("omnileads", "tenant")
    files = adoption.read_folder(folder, kind.adoption)
    return adoption.preview_tenant(kind, region, environment, *files)


def adopt(region, environment, actor=SHELL):
    return adoption.adopt_tenant(
        actor,
        preview(region, environment),
        region=region,
        blueprint="omnileads",
        shared_environment=environment,
    )


def stack_of(tenant) -> Stack:
    return Stack.objects.select_related("region__account", "tenant").get(tenant=tenant)


# -- the preview ------------------------------------------------------------------------------


def test_the_preview_tells_what_is_taken_and_why_something_is_not(region, environment):
    found = preview(region, environment)
    assert (found.name, found.time_zone) == ("initech", "America/Argentina/Cordoba")
    values = found.values
    assert values["sca"] == 5400, "a text became the number that the input is"
    assert values["pstn_trunks"] == ["192.0.2.0/28", "198.51.100.7/32"]
    assert values["ec2_oml_size"] == "t3.medium"
    assert values["oml_app_version"] == "release-1.24.2"
    assert values["dialer"] is True, "its MySQL is in the state"
    assert next(t.note for t in found.inputs if t.name == "ec2_oml_size") == "was t2.medium"
    why = {one.old: one.why for one in found.dropped}
    assert "The blueprint does not know this variable" in why["colour_of_the_logo"]
    assert "x9.mystery" in why["ec2_kamailio_size"]
    assert "The default holds" in why["ec2_kamailio_size"]
    assert "no value" in why["oml_high_load"]
    assert "fewer than 8" in why["dialer_password"]
    assert "role" in why["s3_secret_key"]
    assert [one.name for one in found.secrets_taken] == [
        "ami_password", "pg_password", "mysql_password",
    ]  # fmt: skip
    notes = {one.name: one.note for one in found.secrets_taken}
    assert notes["ami_password"] == ""
    assert "would be refused" in notes["pg_password"]
    assert found.lacking, "the administrator's password is not in the old files"


def test_outputs_machines_and_imports_come_from_the_state(region, environment):
    found = preview(region, environment)
    assert found.outputs["url"] == "https://initech.cc.example.net"
    assert found.outputs["data_bucket"] == "prod-acme-initech-data"
    assert found.outputs["app_asg_name"] == "oml-prod-initech-EC2"
    assert found.machines["asterisk"] == "prod-initech-asterisk-EC2"
    imports = {one.to: one.id for one in found.resources}
    assert imports["module.postgresql.aws_db_instance.this"] == "prod-initech"
    assert imports['module.mysql["dialer"].aws_db_instance.this'] == "prod-initech-dialer"
    assert "module.alb.aws_lb.default" in found.left


def test_no_secret_is_in_what_is_shown_or_kept_in_clear(region, environment):
    found = preview(region, environment)
    shown = json.dumps(found.to_json()) + repr(found)
    tenant = adopt(region, environment)
    stack = stack_of(tenant)
    kept = json.dumps([stack.adoption, stack.desired_inputs, stack.applied_inputs, stack.outputs])
    trail = str(list(AuditEntry.objects.values()))
    for value in (*PASSWORDS, *OTHERS[:1]):
        assert value not in shown
        assert value not in kept
        assert value not in trail
    assert secrets.values(stack) == dict(
        zip(("ami_password", "pg_password", "mysql_password"), PASSWORDS, strict=True)
    )


# -- whose it is ------------------------------------------------------------------------------


def refused(region, environment, folder=INITECH) -> str:
    with pytest.raises(AdoptionRefused) as refusal:
        preview(region, environment, folder)
    assert not Tenant.objects.exists()
    return str(refusal.value)


def test_a_state_of_another_account_or_region_is_refused(region, environment):
    account = region.account
    account.account_number = "210987654321"
    assert "123456789012" in refused(region, environment)
    account.account_number = ""
    assert "Give both first" in refused(region, environment)
    account.account_number = "123456789012"
    region.code = "eu-west-1"
    assert "us-east-2" in refused(region, environment)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("domain_name", "other.example.net", "initech.other.example.net"),
        ("owner_prefix", "globex", "prod-globex-initech-data"),
    ],
)
def test_a_state_of_another_domain_or_owner_is_refused(region, environment, field, value, words):
    setattr(region, field, value)
    assert words in refused(region, environment)


def test_values_of_one_tenant_with_the_state_of_another_are_refused(region, environment, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(INITECH, folder)
    values = folder / "initech.auto.tfvars"
    values.write_text(values.read_text().replace('= "initech"', '= "umbrella"'))
    assert "identifier = prod-umbrella" in refused(region, environment, folder)


def test_a_name_that_no_tenant_may_have_is_refused(region, environment, tmp_path):
    folder = tmp_path / "named"
    shutil.copytree(INITECH, folder)
    values = folder / "initech.auto.tfvars"
    values.write_text(values.read_text().replace('= "initech"', '= "sharedthing"'))
    assert "without “shared”" in refused(region, environment, folder)


def test_a_name_that_is_taken_leaves_nothing_behind(region, environment):
    adopt(region, environment)
    with pytest.raises(NameTaken):
        adopt(region, environment)
    assert Tenant.objects.count() == 1
    assert AuditEntry.objects.filter(action="tenant.adopt").count() == 1


def test_only_who_may_change_the_region_may_adopt(region, environment):
    alice = make_user("alice", role="operator", over=environment)
    with pytest.raises(NotAllowed):
        adopt(region, environment, actors.from_user(alice, origin="a test"))
    carol = make_user("carol", role="operator", over=region)
    assert adopt(region, environment, actors.from_user(carol, origin="a test")).name == "initech"
    entry = AuditEntry.objects.get(action="tenant.adopt")
    assert (entry.actor_name, entry.after["state_serial"]) == (carol.display_name, 87)


# -- an adopted stack -------------------------------------------------------------------------


def test_an_adopted_stack_is_in_service_and_terraform_changes_nothing_of_it(region, environment):
    stack = stack_of(adopt(region, environment))
    assert (stack.condition, stack.is_installed) == (Condition.IN_SERVICE, True)
    assert stack.tenant.time_zone == "America/Argentina/Cordoba"
    assert stack.adoption["imports"]
    kind = services.blueprint_kind("omnileads", "tenant")
    changing = [
        action
        for action in kind.actions.values()
        if action.name not in kind.adoption.actions
        and any(step.kind.startswith("terraform.") for step in action.steps)
    ]
    assert changing
    for action in changing:
        with pytest.raises(AdoptedReadOnly, match="convert it"):
            queue_run(SHELL, stack, action.name, typed_name=stack.name)
    assert not stack.runs.exists()


@pytest.mark.parametrize("action", ["ready", "backup", "backups", "replace", "reset_password"])
def test_what_needs_no_terraform_can_be_queued(region, environment, action):
    stack = stack_of(adopt(region, environment))
    run = queue_run(SHELL, stack, action, typed_name="initech")
    assert not run.uses_engine


def test_an_adopted_tenant_can_be_forgotten_again(region, environment):
    tenant = adopt(region, environment)
    archive(SHELL, tenant, "a mistake")
    assert Tenant.objects.get(pk=tenant.pk).is_archived


# -- doors ------------------------------------------------------------------------------------


def command(*args: str) -> tuple[int, str, str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("adopt", *args, stdout=out, stderr=err)
    except SystemExit as leaving:
        code = leaving.code
    return code, out.getvalue(), err.getvalue()


PLACE = ("--region", "ohio", "--shared-environment", "shared1")


def test_the_command_shows_first_and_keeps_then(region, environment):
    code, out, _err = command(str(INITECH), *PLACE, "--dry-run")
    assert (code, Tenant.objects.count()) == (0, 0)
    assert 'ec2_oml_size = "t3.medium"  (was t2.medium)' in out
    assert not any(value in out for value in PASSWORDS)
    code, out, _err = command(str(INITECH), *PLACE, "--json")
    told = json.loads(out)
    assert (code, told["name"], told["exit_code"]) == (0, "initech", 0)
    assert told["tenant_id"] == Tenant.objects.get().public_id
    assert told["secrets"] == ["ami_password", "pg_password", "mysql_password"]


def test_the_command_reads_and_changes_nothing_in_the_directory(region, environment, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(INITECH, folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    folder.chmod(0o500)
    assert command(str(folder), *PLACE)[0] == 0
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_the_command_refuses_with_code_2(region, environment, tmp_path):
    code, _out, err = command(str(tmp_path), *PLACE)
    assert (code, Tenant.objects.count()) == (2, 0)
    assert "exactly one" in err
    code, out, _err = command(str(INITECH), "--region", "x", "--shared-environment", "y", "--json")
    assert (code, json.loads(out)["error"]) == (2, "AdoptionRefused")


def upload(region, environment, **more):
    files = {
        "values_file": SimpleUploadedFile(
            "initech.auto.tfvars", (INITECH / "initech.auto.tfvars").read_bytes()
        ),
        "state_file": SimpleUploadedFile(
            "terraform.tfstate", (INITECH / "terraform.tfstate").read_bytes()
        ),
    }
    place = {"blueprint": "omnileads", "region": region.pk, "shared_environment": environment.pk}
    return {**place, **files, "title": "Initech", **more}


def test_the_page_shows_a_preview_and_keeps_it_on_a_second_click(client, region, environment):
    client.force_login(make_user("carol", role="operator", over=region))
    assert b"values_file" in client.get(reverse("tenant_adopt")).content
    response = client.post(reverse("tenant_adopt"), upload(region, environment))
    html = response.content.decode()
    assert "t3.medium" in html and "colour_of_the_logo" in html
    assert not any(value in html for value in PASSWORDS)
    assert not Tenant.objects.exists()
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, entry.after) == (
        "carol",
        {"what": "adoption preview", "tenant": "initech"},
    )
    sent = {**response.context["sent"], "packed": response.context["packed"]}
    response = client.post(reverse("tenant_adopt"), sent)
    tenant = Tenant.objects.get()
    assert response["Location"] == reverse("tenant", args=[tenant.public_id])
    assert tenant.title == "Initech"
    html = client.get(response["Location"]).content.decode()
    assert 'id="adopted"' in html
    assert "Convert, preview" in html and "Upgrade" not in html


def test_a_preview_is_good_for_one_person_and_one_place(client, region, environment, settings):
    client.force_login(make_user("carol", role="operator", over=region))
    response = client.post(reverse("tenant_adopt"), upload(region, environment))
    sent = {**response.context["sent"], "packed": response.context["packed"]}
    client.force_login(make_user("dave", role="operator", over=region))
    html = client.post(reverse("tenant_adopt"), sent).content.decode()
    assert "no longer good" in html
    assert not Tenant.objects.exists()
    with pytest.raises(PreviewGone):
        adoption.unpack("nonsense", "x")


def test_a_refusal_stands_in_the_form(client, region, environment):
    client.force_login(make_user("carol", role="operator", over=region))
    Region.objects.filter(pk=region.pk).update(domain_name="other.example.net")
    html = client.post(reverse("tenant_adopt"), upload(region, environment)).content.decode()
    assert "initech.other.example.net" in html


def test_too_much_is_refused_before_it_is_read(client, region, environment):
    client.force_login(make_user("carol", role="operator", over=region))
    large = SimpleUploadedFile("terraform.tfstate", b"x" * (3 * 1024 * 1024))
    data = upload(region, environment, state_file=large)
    response = client.post(reverse("tenant_adopt"), data)
    assert "manage.py adopt" in response.content.decode()


def test_who_may_change_nothing_gets_no_form(client, region, environment):
    client.force_login(make_user("bob", role="viewer", over=region))
    assert client.get(reverse("tenant_adopt")).status_code == 403
