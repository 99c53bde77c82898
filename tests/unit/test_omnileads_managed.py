"""OMniLeads on hosts with a managed database and bucket: what is left out, what is told."""

from pathlib import Path

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from tenants import blueprints
from tests.conftest import TERRAFORM

ANSIBLE = Path(__file__).parents[2] / "hcl_template" / "omnileads-hosts" / "ansible"
PLAIN = {"postgres_host": "", "postgres_ro_host": "", "postgres_ssl": False, "postgres_ha": False,
         "bucket_url": "", "omni_ip_lan": "10.0.0.7", "data_address": "10.0.0.7",
         "fqdn": "acme.example.com"}  # fmt: skip
MANAGED = PLAIN | {
    "postgres_host": "db.example.com", "postgres_ro_host": "ro.example.com",
    "postgres_ssl": True, "postgres_ha": True, "bucket_url": "https://s3.example.com",
}  # fmt: skip


def rendered(text: str, values: dict) -> object:
    return NativeEnvironment().from_string(text).render(values)


def application(values: dict) -> dict[str, object]:
    """Return what the application is told of database and bucket."""
    told = yaml.safe_load((ANSIBLE / "roles/omnileads/defaults/main.yml").read_text())
    names = ("PGHOST", "PGSSLMODE", "PGHOSTHA", "PGHOSTRO", "S3_ENDPOINT")
    environment = told["omnileads_environment"]
    return {name: str(rendered(environment[name], values)) for name in names}


def asterisk(values: dict) -> dict[str, object]:
    tasks = yaml.safe_load((ANSIBLE / "roles/asterisk/tasks/main.yml").read_text())
    environment = tasks[-1]["vars"]["container_environment"]
    names = ("PGHOST", "PGSSLMODE", "S3_ENDPOINT")
    return {name: rendered(environment[name], values) for name in names}


def test_a_managed_database_and_bucket_leave_their_components_out():
    told = yaml.safe_load((ANSIBLE / "vars/components.yml").read_text())["data_components"]
    assert rendered(told, PLAIN) == ["postgresql", "redis", "minio"]
    assert rendered(told, MANAGED) == ["redis"]


def test_the_application_is_told_of_tls_and_the_replica():
    assert application(MANAGED) == {
        "PGHOST": "db.example.com", "PGSSLMODE": "require", "PGHOSTHA": "true",
        "PGHOSTRO": "ro.example.com", "S3_ENDPOINT": "https://s3.example.com",
    }  # fmt: skip
    plain = application(PLAIN)
    assert (plain["PGHOST"], plain["PGSSLMODE"], plain["PGHOSTHA"]) == (
        "10.0.0.7", "prefer", "false",
    )  # fmt: skip
    # A replica that is not used is not told either.
    assert application(MANAGED | {"postgres_ha": False})["PGHOSTRO"] == ""


def test_asterisk_is_told_the_same():
    assert asterisk(MANAGED) == {
        "PGHOST": "db.example.com", "PGSSLMODE": "require", "S3_ENDPOINT": "https://s3.example.com",
    }  # fmt: skip
    assert asterisk(PLAIN)["PGSSLMODE"] == "prefer"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"postgres_ssl": True}, "postgres_ssl"),
        ({"postgres_ha": True, "postgres_host": "db.example.com"}, "postgres_ha"),
        ({"postgres_ha": True, "postgres_ro_host": "ro.example.com"}, "postgres_ha"),
    ],
)
def test_what_needs_an_address_is_refused_without(values, field):
    kind = blueprints.load("omnileads-hosts").kinds["tenant"]
    assert field in {
        problem.variable for problem in blueprints.judge(kind, values, set(), TERRAFORM)
    }
