"""What counts as changed outside: the excerpts in tests/plans are of the real AWS provider."""

import copy
import json
from pathlib import Path

import pytest

from deployments.runner.plans import plan_view

RECORDED = json.loads((Path(__file__).parents[1] / "plans/drift.json").read_text())


def judged(drifted, **parts):
    plan = {"configuration": RECORDED["configuration"], "resource_drift": drifted, **parts}
    return plan_view(plan)["view"]


def one(before, after, expressions=None, *, planned=None, calls=None, address="x_thing.a"):
    """Judge one resource with this configuration: its drift, or None."""
    change = {"actions": ["update"], "before": before, "after": after}
    named = {"mode": "managed", "type": "x_thing", "name": "a"}
    module = {"resources": [{**named, "address": "x_thing.a", "expressions": expressions or {}}]}
    for name in reversed(calls or []):
        module = {"module_calls": {name: {"module": module}}}
    plan = {
        "configuration": {"root_module": module},
        "resource_drift": [{**named, "address": address, "change": change}],
    }
    if planned:
        back = {"actions": ["update"], "before": planned[0], "after": planned[1]}
        plan["resource_changes"] = [{**named, "address": address, "change": back}]
    view = plan_view(plan)["view"]
    return [row["path"] for found in view["drift"] for row in found["attributes"]] or None


GIVEN = {"references": ["var.value"]}


def test_what_the_provider_reads_back_after_an_install_is_no_drift():
    view = judged(RECORDED["healthy"])
    assert view["drift"] == []
    assert view["filled_in"] >= len(RECORDED["healthy"])


def test_what_people_changed_is_found_among_it():
    view = judged(RECORDED["healthy"] + RECORDED["changed"])
    found = {
        one["address"]: (one["action"], [row["path"] for row in one["attributes"]])
        for one in view["drift"]
    }
    gone = "module.data_bucket.aws_s3_bucket_public_access_block.this"
    assert found.pop(gone)[0] == "delete"
    assert found.pop('module.machine["asterisk"].aws_instance.this') == (
        "update", ["instance_type"],
    )  # fmt: skip
    action, paths = found.pop('module.machine["redis"].aws_instance.this')
    assert (action, "tags.Owner" in paths) == ("update", True)
    assert not found


@pytest.mark.parametrize("drifted", RECORDED["healthy"], ids=lambda one: one["type"])
def test_each_attribute_that_is_set_counts_when_its_value_is_another(drifted):
    """The silence above comes from what differs, not from a resource that nobody finds."""
    moved = copy.deepcopy(drifted)
    change = moved["change"]
    told = ("bucket", "max_size", "allocated_storage", "instance_type", "name")
    name = next(name for name in told if name in change["before"])
    change["after"][name] = "another"
    (found,) = judged([moved])["drift"]
    assert found["address"] == drifted["address"]


@pytest.mark.parametrize("empty", [None, "", [], {}], ids=repr)
@pytest.mark.parametrize("also", [None, "", [], {}], ids=repr)
def test_nothing_is_nothing_however_it_is_written(empty, also):
    assert one({"a": empty}, {"a": also}, {"a": GIVEN}) is None
    assert one({}, {"a": also}, {"a": GIVEN}) is None


@pytest.mark.parametrize("value", [False, 0, "x", ["x"], {"k": "x"}], ids=repr)
def test_a_value_is_not_nothing(value):
    assert one({"a": None}, {"a": value}, {"a": GIVEN})
    assert one({"a": value}, {"a": None}, {"a": GIVEN})


def test_what_the_configuration_does_not_set_does_not_count():
    assert one({"arn": "1", "a": "x"}, {"arn": "2", "a": "x"}, {"a": GIVEN}) is None


def test_of_a_resource_only_the_attributes_that_count_are_shown():
    assert one({"arn": "1", "a": "x"}, {"arn": "2", "a": "y"}, {"a": GIVEN}) == ["a"]


def test_instances_and_modules_share_their_configuration():
    address = 'module.a["k.[1]"].module.b[0].x_thing.a["z"]'
    told = {"expressions": {"a": GIVEN}, "calls": ["a", "b"], "address": address}
    assert one({"a": "x"}, {"a": "y"}, **told) == ["a"]
    assert one({"c": "x"}, {"c": "y"}, **told) is None


BLOCK = {"rule": [{"port": GIVEN, "to": [{"cidr": GIVEN}]}, {"port": GIVEN, "name": GIVEN}]}


def rules(*found):
    return {"rule": [{"port": p, "id": i, "to": [{"cidr": c, "seen": i}]} for p, c, i in found]}


def test_of_blocks_the_attributes_that_are_set_count():
    before = rules((1, "a", None), (2, "b", None))
    assert one(before, rules((1, "a", "i-1"), (2, "b", "i-2")), BLOCK) is None
    assert one(before, rules((2, "b", "i-2"), (1, "a", "i-1")), BLOCK) is None
    assert one(before, rules((1, "a", None), (3, "b", None)), BLOCK) == ["rule[1].port"]
    assert one(before, rules((1, "a", None), (2, "c", None)), BLOCK) == ["rule[1].to[0].cidr"]
    assert one(before, rules((1, "a", None)), BLOCK)
    assert one(before, rules((1, "a", None), (2, "b", None), (22, "all", None)), BLOCK)


def test_blocks_of_one_name_that_set_different_things_are_all_looked_into():
    told = {"rule": [{"to": [{"cidr": GIVEN}]}, {"to": [{"group": GIVEN}]}]}
    before = {"rule": [{"to": [{"cidr": "a"}]}, {"to": [{"group": "b"}]}]}
    assert one(before, {"rule": [{"to": [{"cidr": "x"}]}, {"to": [{"group": "b"}]}]}, told)
    assert one(before, {"rule": [{"to": [{"cidr": "a"}]}, {"to": [{"group": "x"}]}]}, told)
    seen = {"rule": [{"to": [{"cidr": "a", "seen": 1}]}, {"to": [{"group": "b"}]}]}
    assert one(before, seen, told) is None


@pytest.mark.parametrize("address", ["", "a", "x_thing.a", "module.m.x_thing.a"])
def test_a_resource_that_the_configuration_lacks_sets_nothing(address):
    assert one({"a": "x"}, {"a": "y"}, address=address) is None


def test_a_single_block_is_read_like_a_list_of_one():
    told = {"settings": {"level": GIVEN}}
    assert one({"settings": {"level": 1}}, {"settings": {"level": 1, "at": 7}}, told) is None
    assert one({"settings": {"level": 1}}, {"settings": {"level": 2}}, told) == ["settings.level"]


def test_an_attribute_of_a_function_without_arguments_counts():
    assert one({"at": "1"}, {"at": "2"}, {"at": {}}) == ["at"]


def test_what_the_plan_puts_back_counts_though_the_json_does_not_say_who_sets_it():
    """Dynamic blocks and a provider's default tags stand nowhere in it."""
    before, after = {"tags_all": {"a": "1"}}, {"tags_all": {"a": "2"}}
    assert one(before, after, planned=(after, before)) == ["tags_all.a"]
    assert one(before, after, planned=(after, {})) is None
    assert one(before, after, planned=(after, {"tags_all": {"a": "3"}})) is None


def test_without_a_configuration_everything_counts():
    drifted = RECORDED["healthy"]
    assert len(plan_view({"resource_drift": drifted})["view"]["drift"]) == len(drifted)


def test_a_secret_that_drifted_is_found_and_not_shown():
    change = {"actions": ["update"], "before": {"password": "old-secret-1"},
              "after": {"password": "new-secret-2"}, "before_sensitive": {"password": True},
              "after_sensitive": {"password": True}}  # fmt: skip
    named = {"mode": "managed", "type": "x_thing", "name": "a", "address": "x_thing.a"}
    resource = {**named, "expressions": {"password": GIVEN}}
    found = plan_view({
        "configuration": {"root_module": {"resources": [resource]}},
        "resource_drift": [{**named, "change": change}],
    })  # fmt: skip
    assert [row["path"] for row in found["view"]["drift"][0]["attributes"]] == ["password"]
    assert "secret-" not in json.dumps(found)
