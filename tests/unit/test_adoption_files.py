"""Old states and values: what is read, what is refused, and that nothing secret is quoted."""

import json
from pathlib import Path

import pytest

from tenants.adoption.files import OldFile, read_folder, state_of, values_of
from tenants.adoption.oldstate import read_state
from tenants.errors import AdoptionUnreadable

INITECH = Path(__file__).parents[1] / "adopt" / "initech"
STATE = (INITECH / "terraform.tfstate").read_bytes()


class Wanted:
    values_file = "*.auto.tfvars"


def state(**changes: object) -> bytes:
    return json.dumps({**json.loads(STATE), **changes}).encode()


def test_a_state_of_012_is_read_with_modules_and_keys_in_its_addresses():
    found = read_state("terraform.tfstate", STATE)
    assert (found.facts.version, found.facts.serial) == (4, 87)
    assert found.facts.terraform_version == "0.12.31"
    addresses = {one.address for one in found.instances}
    assert "module.rds_postgres.aws_db_instance.default[0]" in addresses
    assert "aws_instance.asterisk" in addresses
    assert found.facts.resource_count == len(addresses)
    assert not any("caller_identity" in address for address in addresses), "data is not managed"


def test_attributes_are_found_by_dotted_paths():
    found = {one.address: one for one in read_state("s", STATE).instances}
    assert found["aws_instance.redis"].get("tags.Name") == "prod-initech-redis-EC2"
    assert found["aws_instance.redis"].get("tags.Nothing") is None
    assert found["aws_route53_record.app"].get("alias.0.zone_id") == "Z0INVENTEDALB"


def test_a_state_of_version_3_is_read_too():
    old = {
        "version": 3,
        "terraform_version": "0.11.14",
        "serial": 5,
        "modules": [
            {
                "path": ["root", "rds"],
                "resources": {
                    "aws_db_instance.default": {
                        "type": "aws_db_instance",
                        "primary": {"id": "a", "attributes": {"id": "a", "tags.Name": "b"}},
                    },
                    "data.aws_ami.this": {"type": "aws_ami", "primary": {"id": "ami"}},
                },
            }
        ],
    }
    (only,) = read_state("s", json.dumps(old).encode()).instances
    assert only.address == "module.rds.aws_db_instance.default"
    assert only.get("tags.Name") == "b"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no state of Terraform"),
        (b"[1]", "no state of Terraform"),
        (b'{"version": 4}', "no state of Terraform"),
        (state(version=2), "states of version 2 are not known"),
        (state(resources=[]), "holds no resources"),
        (
            b'{"version": 3, "serial": 1, "backend": {"type": "s3"}, "modules": []}',
            "terraform state pull",
        ),
    ],
)
def test_what_is_no_state_is_refused_with_the_way_out(content, words):
    with pytest.raises(AdoptionUnreadable) as refused:
        read_state("terraform.tfstate", content)
    assert words in str(refused.value)


def test_values_are_read_as_the_types_that_they_have():
    found = values_of(OldFile("x", b'a = "b"\nn = 3\nt = true\nl = ["1.2.3.4/32"]\n'))
    assert found == {"a": "b", "n": 3, "t": True, "l": ["1.2.3.4/32"]}


@pytest.mark.parametrize(
    "text", ['pg_password = "hunter2hunter2', 'pg_password = join("", ["hunter2hunter2"])']
)
def test_a_refused_values_file_is_not_quoted(text):
    with pytest.raises(AdoptionUnreadable) as refused:
        values_of(OldFile("x.auto.tfvars", text.encode()))
    assert "x.auto.tfvars" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("a = " + "9" * 5000, "number too long"),
        ("a = 1e999", "a has a NUL character, or a number without end"),
        ('a = {b = ["\0"]}', "a has a NUL character"),
    ],
)
def test_values_that_nothing_can_keep_are_refused(text, words):
    with pytest.raises(AdoptionUnreadable, match=words):
        values_of(OldFile("x", text.encode()))


def test_a_state_with_what_the_database_cannot_keep_is_refused():
    content = state(resources=[{"type": "t", "name": "n", "instances": [
        {"attributes": {"id": "a\0"}}]}])  # fmt: skip
    with pytest.raises(AdoptionUnreadable, match="NUL"):
        read_state("x", content)


def test_too_large_files_are_refused():
    with pytest.raises(AdoptionUnreadable, match="larger than 64 KiB"):
        values_of(OldFile("x", b"#" * (64 * 1024 + 1)))


def test_a_folder_has_exactly_one_of_each(tmp_path):
    with pytest.raises(AdoptionUnreadable, match=r"exactly one \*\.auto\.tfvars"):
        read_folder(tmp_path, Wanted)
    (tmp_path / "a.auto.tfvars").write_text('a = "b"\n')
    with pytest.raises(AdoptionUnreadable, match="terraform state pull"):
        read_folder(tmp_path, Wanted)
    (tmp_path / "terraform.tfstate").write_bytes(STATE)
    values, old = read_folder(tmp_path, Wanted)
    assert (values.name, old.name) == ("a.auto.tfvars", "terraform.tfstate")
    assert state_of(old).facts.serial == 87
    (tmp_path / "b.auto.tfvars").write_text('a = "b"\n')
    with pytest.raises(AdoptionUnreadable, match=r"a\.auto\.tfvars, b\.auto\.tfvars"):
        read_folder(tmp_path, Wanted)
