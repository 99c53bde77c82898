"""The blueprint omnileads: inputs that are shown, names that fit, a place for old variables."""

import re
from pathlib import Path

import pytest

from tenants import blueprints

PROJECT = Path(__file__).resolve().parent.parent.parent
# Variables of the old deployer's tenants, all its releases together.
OLD = """
cloud_provider callrec_storage nfs_host instance_nic customer environment shared_env schedule TZ
ECCTL SCA ec2_oml_size customer_root_disk_size customer_root_disk_type ec2_asterisk_size
asterisk_root_disk_size ec2_redis_size ebs_volume_size ec2_kamailio_size kamailio_root_disk_size
ec2_websockets_size websockets_root_disk_size ec2_dialer_size dialer_root_disk_size pg_rds_size
mysql_rds_size oml_app_branch oml_redis_branch oml_kamailio_branch oml_acd_branch
oml_websockets_branch wombat_version ami_user ami_password pg_database pg_username pg_password
dialer_user dialer_password mysql_database mysql_username mysql_password s3_access_key s3_secret_key
reset_admin_pass init_environment kamailio_shm_size kamailio_pkg_size oml_high_load
google_maps_api_key google_maps_center DIALER oml_auto_restore oml_app_backup_path
oml_app_backup_filename oml_acd_backup_filename oml_auto_restore_app oml_auto_restore_acd
oml_backup_filename_app oml_backup_filename_acd
""".split()


@pytest.fixture(scope="module")
def tenant():
    return blueprints.load("omnileads").kinds["tenant"]


def old_names() -> dict[str, str]:
    """Return what the table of the old variables says of each."""
    text = (PROJECT / "docs/omnileads.md").read_text()
    text = text.split("### The old deployer's variables")[1].split("\n### ")[0]
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            names, now = (cell.strip() for cell in line.strip("|").split("|"))
            found |= dict.fromkeys(re.findall(r"`(\w+)`", names), now)
    return found


def lends_orders(kind) -> set[str]:
    """Return what the actions order machines to do at their first boot."""
    steps = [step for action in kind.actions.values() for step in action.steps]
    lent = [step.params for step in steps if step.kind == "parameter.lend"]
    return {name for params in lent for name in params["values"]}


@pytest.mark.parametrize("name", OLD)
def test_each_old_variable_is_an_input_or_dropped_with_a_reason(tenant, name):
    now = old_names()[name]
    if now.startswith("dropped"):
        assert len(now) > len("dropped: because")
    elif now.startswith("no input but a boot order"):
        assert name not in tenant.variables
        assert {"restore", "reset_admin_pass", "init_environment"} <= lends_orders(tenant)
    elif inputs := re.findall(r"`(\w+)`", now.split(";")[0]):
        assert set(inputs) <= set(tenant.variables)
    elif "in the portal" not in now and "tenant's name" not in now:
        assert name in tenant.variables


def test_each_input_stands_in_a_group_and_has_a_label(tenant):
    shown = set(tenant.variables) - set(tenant.provided)
    grouped = [name for group in tenant.groups for name in group.variables]
    assert sorted(grouped) == sorted(shown)
    assert shown <= set(tenant.labels)


def test_each_secret_has_rules_and_no_default_that_is_published(tenant):
    secrets = {name: v for name, v in tenant.variables.items() if v.is_secret}
    assert set(secrets) == set(tenant.secret_rules)
    for name, variable in secrets.items():
        rule = tenant.secret_rules[name]
        assert rule.min_length >= 12
        assert set("/&%\"@'\\ ") <= set(rule.forbid)
        assert variable.required or variable.default is None


@pytest.mark.parametrize("name", ["acme", "a12", "abcdefghij12345"])
def test_names_that_fit(tenant, name):
    assert tenant.naming.problem(name) == ""


@pytest.mark.parametrize(
    "name", ["ac", "1acme", "Acme", "acme-1", "sharedus", "myshared", "example1", "a" * 16]
)
def test_names_that_do_not(tenant, name):
    assert tenant.naming.problem(name)


def test_data_that_cannot_be_made_again_is_marked(tenant):
    addresses = [
        "module.postgresql.aws_db_instance.this",
        'module.mysql["dialer"].aws_db_instance.this',
        "module.data_bucket.aws_s3_bucket.this",
    ]
    for address in addresses:
        assert tenant.holds(address), address
    assert not tenant.holds("module.app.aws_launch_template.this")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("omnileads", "shared"), ("omnileads", "tenant"), ("omnileads-hosts", "tenant")],
)
def test_no_secret_may_be_a_published_default(name, kind):
    kind = blueprints.load(name).kinds[kind]
    secrets = [variable.name for variable in kind.inputs if variable.sensitive]

    assert secrets
    assert {"conqu33st4sami", "my_very_strong_pass", "5_MeO_DMT"} <= set(kind.published)
    for name in secrets:
        for value in kind.published:
            told = blueprints.judge_secret(kind, name, value.swapcase())
            assert "published default" in told[name], (name, value)
