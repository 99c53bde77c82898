"""Tenants of one shared environment cannot reach each other: proved from their plans.

Both tenants are planned by the real provider against the same shared environment; no API is asked.
A rule is read twice: its values where the plan knows them, and where they come from where it does
not yet.
"""

import copy
import ipaddress
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TERRAFORM

HCL = Path(__file__).resolve().parent.parent.parent / "hcl_template"
VPC = "10.0.0.0/16"
SHARED = {
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "vpc_cidr": VPC,
    "public_subnet_ids": ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"],
    "private_subnet_ids": ["subnet-0a1b2c3d4e5f60713", "subnet-0a1b2c3d4e5f60714"],
    "certificate_arn": "arn:aws:acm:us-east-2:123456789012:certificate/"
    "12345678-1234-1234-1234-123456789012",
    "hosted_zone_id": "Z0123456789ABCDEFGHIJ",
    "rtpengine_fqdn": "rtpengine-sharedus.cc.example.net",
    "rtpengine_internal_fqdn": "rtpengine-internal-sharedus.cc.example.net",
    "rtpengine_security_group_id": "sg-0a1b2c3d4e5f60715",
    "sbc_security_group_id": "sg-0a1b2c3d4e5f60716",
    "rtpengine_clients_security_group_id": "sg-0a1b2c3d4e5f60717",
    "sbc_clients_security_group_id": "sg-0a1b2c3d4e5f60718",
    "sbc_internal_fqdn": "astsbc-internal-sharedus.cc.example.net",
    "sbc_public_ip": "198.51.100.7",
    "pstn_trunks": ["192.0.2.0/28"],
    "access_logs_bucket": "oml-prod-omlsaas-sharedus-access-logs",
}
# Machines of the shared environment carry these; no machine of a tenant does.
SHARED_GROUPS = {SHARED["rtpengine_security_group_id"], SHARED["sbc_security_group_id"]}
# Machines of all tenants carry these: the shared environment admits them, and nobody else may.
CLIENTS = {
    'module.machine["asterisk"].aws_instance.this': SHARED["sbc_clients_security_group_id"],
    'module.machine["kamailio"].aws_instance.this': SHARED["rtpengine_clients_security_group_id"],
}
CLIENTS_OF_SBC = SHARED["sbc_clients_security_group_id"]
IMAGE = "ami-0123456789abcdef0"
OVERRIDE = {
    "provider": {
        "aws": {
            "access_key": "test",
            "secret_key": "test",
            "skip_credentials_validation": True,
            "skip_requesting_account_id": True,
            "skip_metadata_api_check": True,
        }
    }
}
SECRETS = ("pg_password", "ami_password", "admin_password", "mysql_password", "dialer_password")
RULE = "aws_vpc_security_group_ingress_rule"
CARRYING = ("vpc_security_group_ids", "security_groups", "security_group_ids")

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.provider,
    pytest.mark.skipif(shutil.which(TERRAFORM) is None, reason="terraform is not installed"),
]


# Other sizes of everything that has one.
RESIZED = {
    "ec2_oml_size": "m6i.large",
    "ec2_asterisk_size": "t3.large",
    "ec2_kamailio_size": "t3.small",
    "ec2_redis_size": "t3.medium",
    "ec2_websockets_size": "t3.small",
    "ec2_dialer_size": "t3.large",
    "pg_rds_size": "db.m6i.large",
    "mysql_rds_size": "db.t3.small",
    "customer_root_disk_size": 40,
    "asterisk_root_disk_size": 80,
    "kamailio_root_disk_size": 30,
    "redis_root_disk_size": 30,
    "websockets_root_disk_size": 30,
    "dialer_root_disk_size": 30,
    "pg_storage": 50,
    "pg_storage_max": 200,
    "mysql_storage": 30,
}
# Inputs that only a new machine reads.
FLAGS = {"backup_time": "01:15"}


def inputs(name: str) -> dict:
    """Return a tenant's values, with everything switched on."""
    images = ("app", "asterisk", "kamailio", "redis", "websockets", "dialer")
    return {
        "stack_name": name,
        "owner": "omlsaas",
        "domain_name": "cc.example.net",
        "aws_region": "us-east-2",
        "shared_name": "sharedus",
        "shared": SHARED,
        "dialer": True,
        "dialer_ui_cidrs": ["203.0.113.0/24"],
        "pstn_trunks": ["192.0.2.0/28", "198.51.100.128/25"],
        **{f"{component}_ami_id": IMAGE for component in images},
    }


def terraform(folder: Path, environment: dict, *words: str) -> str:
    """Run Terraform in a root module and return what it printed; skips without a provider."""
    done = subprocess.run(
        [TERRAFORM, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode and words[0] == "init" and not os.environ.get("PROVIDER_MIRROR"):
        pytest.skip(f"the AWS provider is neither in a mirror nor in reach: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plans(tmp_path_factory) -> dict[str, dict]:
    """The plans of two tenants of one shared environment, and of one with other inputs, as JSON."""
    top = tmp_path_factory.mktemp("isolation")
    ignored = shutil.ignore_patterns(".terraform", "tests", "*.tfvars.json")
    shutil.copytree(HCL, top / "hcl", ignore=ignored)
    root = top / "hcl/omnileads/tenant"
    (root / "provider_override.tf.json").write_text(json.dumps(OVERRIDE))
    mirror = os.environ.get("PROVIDER_MIRROR")
    method = f'filesystem_mirror {{ path = "{mirror}" }}' if mirror else "direct {}"
    (top / "terraform.rc").write_text(f"provider_installation {{\n  {method}\n}}\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(top),
        "TF_CLI_CONFIG_FILE": str(top / "terraform.rc"),
        "CHECKPOINT_DISABLE": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **{f"TF_VAR_{name}": f"Only-4-tests-{name}" for name in SECRETS},
    }
    terraform(root, environment, "init", "-input=false", "-lockfile=readonly")
    wanted = {
        "acme": inputs("acme"),
        "globex": inputs("globex"),
        "resized": inputs("acme") | RESIZED,
        "flagged": inputs("acme") | FLAGS,
    }
    made = {}
    for name, values in wanted.items():
        (root / "terraform.tfvars.json").write_text(json.dumps(values))
        terraform(root, environment, "plan", "-input=false", "-out=plan", "-refresh=false")
        made[name] = json.loads(terraform(root, environment, "show", "-json", "plan"))
    return made


def planned(plan: dict) -> list[dict]:
    """Return all that a plan makes in the cloud, those of modules too."""
    found, modules = [], [plan["planned_values"]["root_module"]]
    while modules:
        module = modules.pop()
        # Where nothing is known yet, there are no values.
        found += [{"values": {}} | r for r in module.get("resources", []) if is_in_cloud(r)]
        modules += module.get("child_modules", [])
    return found


def is_in_cloud(resource: dict) -> bool:
    """Tell whether a resource is one of the cloud: not read only, not Terraform's own."""
    return resource["mode"] == "managed" and resource["type"] != "terraform_data"


def sources(plan: dict, resource: dict, attribute: str) -> set[str]:
    """Return the objects that a root resource's attribute is computed from."""
    configured = {r["address"]: r for r in plan["configuration"]["root_module"]["resources"]}
    address = resource["address"].split("[")[0]
    references = configured[address]["expressions"][attribute].get("references", [])
    return {name for name in references if not name.startswith("each.")}


def overlaps(cidr: str) -> bool:
    """Tell whether a network and that of the shared environment have an address in common."""
    return ipaddress.ip_network(cidr).overlaps(ipaddress.ip_network(VPC))


def offences(plan: dict) -> Iterator[str]:
    """Yield what would let anybody else of the same network reach this tenant."""
    for resource in planned(plan):
        kind, address, values = resource["type"], resource["address"], resource["values"]
        if kind == RULE:
            yield from (f"{address}: {what}" for what in rule_offences(plan, resource))
        elif kind in ("aws_security_group_rule", "aws_default_security_group"):
            yield f"{address}: a kind that is not read here"
        elif kind == "aws_security_group" and values.get("ingress"):
            yield f"{address}: rules inside of a group"
        elif known := carried(values) - {CLIENTS.get(address)}:
            yield f"{address}: carries {sorted(known)}, which is not its own"


def carried(values: dict) -> set[str]:
    """Return the security groups of a resource that the plan knows: none of them is new."""
    return {group for name in CARRYING for group in values.get(name) or [] if group}


def rule_offences(plan: dict, rule: dict) -> Iterator[str]:
    values = rule["values"]
    if group := values.get("security_group_id"):
        # Its own are new. One that is there already others carry, too, and its rules are counted.
        yield f"opens {group}, which is not its own"
    if values.get("cidr_ipv6") or values.get("prefix_list_id"):
        yield "a network that is not read here"
    if cidr := values.get("cidr_ipv4"):
        public = sources(plan, rule, "security_group_id") >= {'aws_security_group.this["balancer"]'}
        https = (values["ip_protocol"], values["from_port"], values["to_port"]) == ("tcp", 443, 443)
        if overlaps(cidr) and not (public and https):
            yield f"admits {cidr}"
        return
    group = values.get("referenced_security_group_id")
    if group is not None:
        if group not in SHARED_GROUPS:
            yield f"admits {group}"
    elif sources(plan, rule, "referenced_security_group_id") != {"aws_security_group.this"}:
        yield "admits a group from elsewhere"


def of_type(plan: dict, kind: str) -> list[dict]:
    return [resource for resource in planned(plan) if resource["type"] == kind]


@pytest.mark.parametrize("name", ["acme", "globex"])
def test_no_rule_admits_another_tenant(plans, name):
    assert len(of_type(plans[name], RULE)) > 20
    assert list(offences(plans[name])) == []


def test_each_group_of_machines_is_read(plans):
    """The proof covers all that can carry a security group."""
    kinds = ("aws_instance", "aws_launch_template", "aws_db_instance", "aws_lb")
    assert {kind: len(of_type(plans["acme"], kind)) for kind in kinds} == {
        "aws_instance": 4,
        "aws_launch_template": 2,
        "aws_db_instance": 2,
        "aws_lb": 2,
    }


def carrying(plan: dict) -> dict[str, set[str]]:
    """Return by module call or resource where the groups that its machines carry come from.

    Groups that are not made yet hide those that are: no plan knows a part of a set.
    """
    root = plan["configuration"]["root_module"]
    calls = {f"module.{name}": call for name, call in root["module_calls"].items()}
    calls |= {resource["address"]: resource for resource in root["resources"]}
    return {
        name: set(call["expressions"][attribute]["references"]) - {"each.key"}
        for name, call in calls.items()
        for attribute in CARRYING
        if attribute in call.get("expressions", {})
    }


def test_machines_carry_their_own_groups_and_two_of_them_a_clients_group(plans):
    """Which two, the plan test of the tenant's module says."""
    found = carrying(plans["acme"])
    assert len(found) == 7
    shared = {
        name: {source for source in sources if not source.startswith("aws_security_group.this")}
        for name, sources in found.items()
    }
    assert {name: sources for name, sources in shared.items() if sources} == {
        "module.machine": {"local.clients_groups"}
    }
    assert all(len(sources) > len(shared[name]) for name, sources in found.items())


def planted(plan: dict, kind: str, address: str = "", **values) -> dict:
    """Return a copy of the plan whose first resource of a kind (or that one) has other values."""
    changed = copy.deepcopy(plan)
    found = [r for r in of_type(changed, kind) if r["address"].startswith(address)]
    found[0]["values"].update(values)
    return changed


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        (RULE, {"cidr_ipv4": VPC}, f"admits {VPC}"),
        (RULE, {"cidr_ipv4": "10.0.32.0/20"}, "admits 10.0.32.0/20"),
        (RULE, {"cidr_ipv4": "0.0.0.0/0"}, "admits 0.0.0.0/0"),
        (RULE, {"referenced_security_group_id": "sg-00000000000000001"}, "admits sg-0000"),
        (RULE, {"cidr_ipv6": "::/0"}, "not read here"),
        ("aws_security_group", {"ingress": [{"cidr_blocks": [VPC]}]}, "rules inside"),
        (RULE, {"referenced_security_group_id": "sg-0a1b2c3d4e5f60717"}, "admits sg-0a1b"),
        (RULE, {"referenced_security_group_id": "sg-0a1b2c3d4e5f60718"}, "admits sg-0a1b"),
        (RULE, {"security_group_id": "sg-0a1b2c3d4e5f60718"}, "opens sg-0a1b"),
        (RULE, {"security_group_id": "sg-0a1b2c3d4e5f60716"}, "opens sg-0a1b"),
        ("aws_instance", {"vpc_security_group_ids": ["sg-0a1b2c3d4e5f60716"]}, "not its own"),
        ("aws_launch_template", {"vpc_security_group_ids": [CLIENTS_OF_SBC]}, "not its own"),
        ("aws_db_instance", {"vpc_security_group_ids": ["sg-00000000000000001"]}, "not its own"),
    ],
)
def test_a_planted_hole_is_found(plans, kind, values, says):
    found = list(offences(planted(plans["acme"], kind, **values)))
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize(
    ("component", "group"), [("redis", CLIENTS_OF_SBC), ("kamailio", CLIENTS_OF_SBC)]
)
def test_a_clients_group_on_another_machine_is_found(plans, component, group):
    address = f'module.machine["{component}"]'
    values = {"vpc_security_group_ids": [group]}
    (found,) = offences(planted(plans["acme"], "aws_instance", address, **values))
    assert found.startswith(address)


def test_a_rule_whose_source_is_not_the_tenants_own_group_is_found(plans):
    changed = copy.deepcopy(plans["acme"])
    for resource in changed["configuration"]["root_module"]["resources"]:
        if resource["address"] == f"{RULE}.between":
            expression = resource["expressions"]["referenced_security_group_id"]
            expression["references"] = ["data.aws_security_group.other"]
    assert any("from elsewhere" in what for what in offences(changed))


def test_two_tenants_have_no_name_in_common(plans):
    """Names that are unique in an account, a region or the world, or that rights are given by."""
    named = {
        "aws_iam_role": "name",
        "aws_s3_bucket": "bucket",
        "aws_db_instance": "identifier",
        "aws_db_subnet_group": "name",
        "aws_lb": "name",
        "aws_lb_target_group": "name",
        "aws_launch_template": "name",
        "aws_autoscaling_group": "name",
        "aws_ssm_parameter": "name",
        "aws_route53_record": "name",
        "aws_security_group": "name",
    }
    for kind, attribute in named.items():
        names = [
            {r["values"][attribute] for r in of_type(plans[tenant], kind)}
            for tenant in ("acme", "globex")
        ]
        assert all(names), kind
        assert not names[0] & names[1], kind


def test_no_plan_holds_a_secret_outside_of_its_variables(plans):
    for plan in plans.values():
        text = json.dumps({**plan, "variables": None})
        assert "Only-4-tests-" not in text
        assert "Only-4-tests-" in json.dumps(plan["variables"])


def differences(one: object, other: object, path: str = "") -> Iterator[str]:
    """Yield the attributes in which two planned values differ, without numbers of lists."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), f"{path}.{key}".strip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for left, right in zip(one, other, strict=True):
            yield from differences(left, right, path)
    elif one != other:
        yield path


def changed(plans: dict, name: str) -> set[tuple[str, str]]:
    """Return kind and attribute of all that other inputs change in acme's plan."""
    before = {r["address"]: r for r in planned(plans["acme"])}
    after = {r["address"]: r for r in planned(plans[name])}
    assert before.keys() == after.keys()
    return {
        (before[address]["type"], attribute)
        for address in before
        for attribute in differences(before[address]["values"], after[address]["values"])
    }


def test_other_sizes_change_what_aws_changes_in_place(plans):
    """Neither the boot text nor the image is touched, so no machine is replaced."""
    assert changed(plans, "resized") == {
        ("aws_instance", "instance_type"),
        ("aws_instance", "root_block_device.volume_size"),
        ("aws_launch_template", "instance_type"),
        ("aws_launch_template", "block_device_mappings.ebs.volume_size"),
        ("aws_db_instance", "instance_class"),
        ("aws_db_instance", "allocated_storage"),
        ("aws_db_instance", "max_allocated_storage"),
    }


def test_what_only_new_machines_read_touches_no_machine(plans):
    assert changed(plans, "flagged") == {("aws_ssm_parameter", "insecure_value")}
