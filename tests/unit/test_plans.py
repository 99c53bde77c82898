"""A plan for people: masked before anything else, dangerous first."""

import json

import pytest

from deployments.runner.masking import mask_plan, without_keys
from deployments.runner.plans import path_text, plan_view
from deployments.runner.redact import DOTS

SECRET = "hunter2-hunter2"


def change(actions=("update",), before=None, after=None, **more):
    return {
        "actions": list(actions), "before": before, "after": after, "after_unknown": {},
        "before_sensitive": {}, "after_sensitive": {},
    } | more  # fmt: skip


def resource(address="x.a", found=None, **more):
    kind, name = address.split(".")[-2:]
    return {"address": address, "mode": "managed", "type": kind, "name": name,
            "change": found or change()} | more  # fmt: skip


def view(*resources, **parts):
    return plan_view({"resource_changes": list(resources), **parts})["view"]


def attributes(**parts):
    (found,) = view(resource(found=change(**parts)))["resources"]
    return {row.pop("path"): row for row in found["attributes"]}


# -- actions, order, counts ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "more", "shown"),
    [
        (["create"], {}, "create"),
        (["update"], {}, "update"),
        (["delete"], {}, "delete"),
        (["delete", "create"], {}, "replace"),
        (["create", "delete"], {}, "replace"),
        (["create", "forget"], {}, "replace"),
        (["forget"], {}, "forget"),
        (["read"], {}, "read"),
        (["no-op"], {"importing": {"id": "i-1"}}, "import"),
        (["update"], {"importing": {"id": "i-1"}}, "update"),
    ],
)
def test_action_of_a_resource(actions, more, shown):
    (found,) = view(resource(found=change(actions, {"a": 1}, {"a": 2}, **more)))["resources"]
    assert found["action"] == shown
    assert found["importing"] == bool(more)


def test_dangerous_resources_come_first():
    order = ["delete", "replace", "forget", "update", "create", "read"]
    actions = {"replace": ["delete", "create"]}
    rows = [resource(f"x.{a.replace('-', '')}", change(actions.get(a, [a]))) for a in order[::-1]]
    assert [row["action"] for row in view(*rows)["resources"]] == order


def test_counts_are_those_of_terraform_and_by_action():
    found = view(
        resource("x.a", change(["create"])),
        resource("x.b", change(["delete", "create"])),
        resource("x.c", change(["delete"])),
        resource("x.d", change(["update"])),
        resource("x.e", change(["no-op"])),
    )
    counts = found["counts"]
    assert (counts["add"], counts["change"], counts["destroy"]) == (2, 1, 2)
    assert [counts[a] for a in ("create", "replace", "delete", "update", "no-op")] == [1] * 5
    assert found["unchanged"] == 1


def test_unchanged_resource_is_counted_and_not_listed():
    assert view(resource(found=change(["no-op"], {"a": 1}, {"a": 1})))["resources"] == []


def test_moved_resource_is_listed():
    (found,) = view(resource(found=change(["no-op"]), previous_address="x.old"))["resources"]
    assert found["previous_address"] == "x.old"


def test_plan_says_itself_whether_an_apply_would_do_something():
    assert not view(applyable=False)["has_changes"]
    assert view(applyable=True)["has_changes"]
    assert view(resource(found=change(["create"])))["has_changes"]
    assert not view()["has_changes"]
    assert view(output_changes={"o": change(["create"], None, 1)})["has_changes"]


def test_drift_is_listed():
    (found,) = view(resource_drift=[resource(found=change(before={"a": 1}, after={"a": 2}))])[
        "drift"
    ]
    assert found["attributes"][0]["path"] == "a"


def test_failed_checks_are_listed():
    checks = [
        {"address": {"to_display": "check.c"}, "status": "fail",
         "instances": [{"problems": [{"message": "too small"}]}]},
        {"address": {"to_display": "check.d"}, "status": "pass"},
    ]  # fmt: skip
    assert view(checks=checks)["checks"] == [
        {"address": "check.c", "status": "fail", "messages": ["too small"]}
    ]


# -- attributes ----------------------------------------------------------------------------


def test_only_what_differs_is_an_attribute_and_the_rest_is_counted():
    (found,) = view(
        resource(
            found=change(before={"a": 1, "b": 2, "n": None}, after={"a": 1, "b": 3, "n": None})
        )
    )["resources"]
    assert [row["path"] for row in found["attributes"]] == ["b"]
    assert found["unchanged"] == 1


def test_nested_objects_and_lists_of_objects_are_walked():
    rows = attributes(
        before={"tags": {"a.b": "1", "c": "2"}, "rule": [{"port": 80}, {"port": 1}]},
        after={"tags": {"a.b": "9", "c": "2"}, "rule": [{"port": 80}, {"port": 2}, {"port": 3}]},
    )
    assert set(rows) == {'tags["a.b"]', "rule[1].port", "rule[2].port"}
    assert rows["rule[2].port"]["before"] is None


def test_list_of_plain_values_is_one_attribute():
    rows = attributes(before={"l": ["a", "b"]}, after={"l": ["a"]})
    assert rows["l"]["before"] == ["a", "b"]
    assert rows["l"]["after"] == ["a"]


def test_value_known_only_after_the_apply_is_unknown():
    rows = attributes(
        before={"id": "1", "deep": {"x": 1}},
        after={"deep": {}},
        after_unknown={"id": True, "deep": {"x": True}, "made": True},
    )
    assert {path: row["unknown"] for path, row in rows.items()} == {
        "id": True, "deep.x": True, "made": True
    }  # fmt: skip
    assert rows["id"]["before"] == "1"


def test_attribute_that_forces_the_replacement_is_first_and_marked():
    found = change(
        ["delete", "create"], {"a": 1, "z": {"q": 1}}, {"a": 2, "z": {"q": 2}},
        replace_paths=[["z"]],
    )  # fmt: skip
    (row,) = view(resource(found=found, action_reason="replace_because_cannot_update"))["resources"]
    assert [(a["path"], a["forces"]) for a in row["attributes"]] == [("z.q", True), ("a", False)]
    assert row["replace_paths"] == ["z"]
    assert row["reason"] == "replace_because_cannot_update"


def test_attributes_of_one_resource_are_bounded():
    many = {f"a{n}": n for n in range(1_000)}
    (found,) = view(resource(found=change(["create"], None, many)))["resources"]
    assert len(found["attributes"]) == 300
    assert found["more"] == 700


def test_long_value_is_cut_on_the_page():
    rows = attributes(before={"a": "x" * 9_000}, after={"a": ""})
    assert rows["a"]["before"].endswith(" … [9000 characters]")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (["a"], "a"),
        (["a", 0, "b"], "a[0].b"),
        (["t", "x.y"], 't["x.y"]'),
        (["for-each"], "for-each"),
    ],
)
def test_path_is_written_as_in_hcl(path, text):
    assert path_text(path) == text


# -- masking -------------------------------------------------------------------------------


def test_changed_secret_is_shown_as_changed_and_as_nothing_else():
    rows = attributes(
        before={"p": SECRET}, after={"p": "another-secret"},
        before_sensitive={"p": True}, after_sensitive={"p": True},
    )  # fmt: skip
    assert rows["p"] == {
        "before": DOTS, "after": DOTS, "unknown": False, "sensitive": True, "forces": False
    }  # fmt: skip


def test_value_that_becomes_sensitive_is_masked_on_both_sides():
    rows = attributes(before={"p": SECRET}, after={"p": SECRET + "!"}, after_sensitive={"p": True})
    assert rows["p"]["before"] == rows["p"]["after"] == DOTS


def plan_with_secret_at(place):
    """Return a plan in which the secret stands at one place, marked as Terraform marks it."""
    item = {"address": "x.a", "values": {"p": SECRET}, "sensitive_values": {"p": True}}
    values = {"root_module": {"child_modules": [{"resources": [item]}]}}
    constant = {"constant_value": SECRET}
    variable = {"s": {"sensitive": True, "default": SECRET}}
    plans = {
        "after": {"resource_changes": [resource(found=change(
            after={"p": [{"q": SECRET}]}, after_sensitive={"p": [{"q": True}]}))]},
        "before of a delete": {"resource_changes": [resource(found=change(
            ["delete"], {"p": SECRET}, before_sensitive={"p": True}))]},
        "a set whose marks have another length": {"resource_changes": [resource(found=change(
            after={"p": ["x", SECRET]}, after_sensitive={"p": [True]}))]},
        "the whole resource": {"resource_changes": [resource(found=change(
            after={"p": SECRET}, after_sensitive=True))]},
        "drift": {"resource_drift": [resource(found=change(
            before={"p": SECRET}, before_sensitive={"p": True}))]},
        "deferred": {"deferred_changes": [{"reason": "x", "resource_change": resource(found=change(
            after={"p": SECRET}, after_sensitive={"p": True}))}]},
        "output": {"output_changes": {"o": change(
            before=SECRET, after={"x": SECRET}, before_sensitive=True, after_sensitive=True)}},
        "planned values": {"planned_values": values},
        "prior state": {"prior_state": {"values": values}},
        "output in the state": {"prior_state": {"values": {
            "outputs": {"o": {"sensitive": True, "value": [SECRET]}}}}},
        "variable named by the caller": {"variables": {"known": {"value": {"x": SECRET}}}},
        "variable named by the plan": {
            "variables": {"s": {"value": SECRET}},
            "configuration": {"root_module": {"variables": variable}}},
        "default of a module's variable": {"configuration": {"root_module": {"module_calls": {
            "m": {"module": {"variables": variable}}}}}},
        "argument of a module": {"configuration": {"root_module": {"module_calls": {
            "m": {"expressions": {"s": constant}, "module": {"variables": variable}}}}}},
        "constant of a provider": {"configuration": {"provider_config": {
            "aws": {"expressions": {"assume_role": [{"secret": constant}]}}}}},
        "constant of a sensitive output": {"configuration": {"root_module": {"outputs": {
            "o": {"sensitive": True, "expression": constant}}}}},
        "constant of a sensitive attribute": {
            "resource_changes": [resource('module.m["a]"].x.a[0]', change(
                after={"p": "other-value"}, after_sensitive={"p": True}))],
            "configuration": {"root_module": {"module_calls": {"m": {"module": {"resources": [
                {"address": "x.a", "expressions": {"p": constant}}]}}}}}},
    }  # fmt: skip
    return plans if place is None else plans[place]


@pytest.mark.parametrize("place", plan_with_secret_at(None))
def test_secret_is_nowhere_in_masked_plan_or_view(place):
    found = plan_view(plan_with_secret_at(place), {"known"})
    assert SECRET not in json.dumps(found)


def test_secret_is_masked_where_a_provider_forgot_to_mark_it():
    found = change(
        before={"input": SECRET, "output": {"copy": f"<{SECRET}>"}},
        after={"input": SECRET + "2"},
        before_sensitive={"input": True}, after_sensitive={"input": True},
        after_unknown={"output": True},
    )  # fmt: skip
    result = plan_view({"resource_changes": [resource(found=found)]})
    assert SECRET not in json.dumps(result)


def test_addresses_stay_when_a_secret_reads_like_one():
    name = "terraform_data"
    found = change(after={"p": name, "q": name}, after_sensitive={"p": True})
    masked = mask_plan({"resource_changes": [resource(f"{name}.a", found)]})
    (shown,) = masked["resource_changes"]
    assert shown["type"] == name
    assert shown["change"]["after"] == {"p": DOTS, "q": DOTS}


def test_plan_of_the_caller_is_not_changed():
    plan = plan_with_secret_at("after")
    before = json.dumps(plan)
    plan_view(plan)
    assert json.dumps(plan) == before


def test_what_is_not_sensitive_stays():
    found = change(after={"a": {"b": "plain-and-long-enough"}}, after_sensitive={"a": {}})
    shown = mask_plan({"resource_changes": [resource(found=found)]})["resource_changes"][0]
    assert shown["change"]["after"] == {"a": {"b": "plain-and-long-enough"}}


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("x.a", "x.a"),
        ("x.a[0]", "x.a"),
        ('module.m["k"].x.a["b"]', "module.m.x.a"),
        ('x.a["we]ird\\"["].b', "x.a.b"),
    ],
)
def test_address_without_keys(address, plain):
    assert without_keys(address) == plain
