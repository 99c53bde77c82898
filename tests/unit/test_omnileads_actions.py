"""The actions of the blueprint omnileads: each operation is there, and asks for what it must."""

import pytest

from deployments.checks import check_steps
from deployments.steps import pieces_of
from tenants import blueprints

SHARED = """
install change resize upgrade trunks passwords replace_sbc replace_rtpengine plan refresh empty
destroy
""".split()
TENANT = """
install change resize backup backups upgrade passwords rollback restore_app restore_asterisk
replace_app replace_dialer trunks reset_password ready plan refresh empty destroy
""".split()
ALL = [("shared", name) for name in SHARED] + [("tenant", name) for name in TENANT]
NEVER_AT_AN_UPGRADE = {"reset_admin_pass": False, "init_environment": False}


@pytest.fixture(scope="module")
def blueprint():
    return blueprints.load("omnileads")


@pytest.fixture(scope="module")
def tenant(blueprint):
    return blueprint.kinds["tenant"].actions


def wanted(action):
    """Return an action's steps as a run has them."""
    return [
        {"kind": s.kind, "params": dict(s.params), "phase": s.phase, "if_output": s.if_output}
        for s in action.steps
    ]


def order(action, phase):
    """Return the kinds of a phase's pieces."""
    return [planned.piece.kind for planned in pieces_of(wanted(action))[phase]]


def of_kind(action, kind):
    """Return the parameters of the steps of a kind."""
    return [step.params for step in action.steps if step.kind == kind]


def test_the_blueprint_has_no_flaw_and_no_step_that_is_unknown(blueprint):
    assert blueprint.warnings == ()
    assert check_steps() == []


def test_each_operation_has_an_action(blueprint):
    for kind, names in (("shared", SHARED), ("tenant", TENANT)):
        assert list(blueprint.kinds[kind].actions) == names


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_each_action_says_what_it_does(blueprint, kind, name):
    action = blueprint.kinds[kind].actions[name]
    assert action.description.endswith(".")
    assert action.when == ("new" if name == "install" else "always" if name == "plan" else
                           "installed")  # fmt: skip
    assert all(param.label for param in action.params)


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, n in ALL if n in ("empty", "destroy")])
def test_what_destroys_is_of_that_kind_and_asks_for_the_name(blueprint, kind, name):
    action = blueprint.kinds[kind].actions[name]
    assert (action.kind, action.confirm, action.risk) == ("destroy", "name", "high")
    assert not action.auto_apply_allowed


@pytest.mark.parametrize("name", ["restore_app", "restore_asterisk", "rollback"])
def test_what_goes_back_is_of_that_kind_and_asks_what_to(tenant, name):
    action = tenant[name]
    assert (action.kind, action.risk) == ("restore", "high")
    assert not action.auto_apply_allowed
    (param,) = action.params
    assert param.required
    component = name.partition("_")[2]
    assert param.choices_from == (f"backups:{component}" if component else "restore_points")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("upgrade", "upgrade"), ("backup", "backup"), ("backups", "backup"), ("ready", "plan")],
)
def test_permissions(tenant, name, kind):
    assert tenant[name].kind == kind


@pytest.mark.parametrize(("kind", "bucket"), [("shared", "sbc_bucket"), ("tenant", "data_bucket")])
def test_a_destroy_looks_into_the_bucket_before_it_plans(blueprint, kind, bucket):
    actions = blueprint.kinds[kind].actions
    assert order(actions["destroy"], "plan")[0] == "s3.require_empty"
    for action, step in (("destroy", "s3.require_empty"), ("empty", "s3.empty")):
        assert of_kind(actions[action], step) == [{"bucket": f"{{{{ outputs.{bucket} }}}}"}]


def test_an_upgrade_has_its_backups_before_it_plans_and_its_orders_before_it_applies(tenant):
    action = tenant["upgrade"]
    before = order(action, "plan")
    assert before[:2] == ["s3.note"] * 2
    assert before.count("s3.list") == before.count("s3.await_object") == 2
    assert max(i for i, kind in enumerate(before) if kind == "backup.require_fresh") < before.index(
        "terraform.init"
    )
    applying = order(action, "apply")
    assert applying[0] == "restore_point.keep"
    assert applying.index("parameter.lend") < applying.index("terraform.apply")
    assert order(action, "configure")[:2] == ["asg.replace", "asg.replace"]
    assert order(action, "verify") == ["probe.http", "parameter.take", "parameter.take"]


@pytest.mark.parametrize("name", ["upgrade", "passwords", "rollback", "replace_app"])
def test_a_new_application_restores_and_never_resets_or_shows(tenant, name):
    orders = {p["parameter"].rsplit("/")[-1]: p["values"] for p in
              of_kind(tenant[name], "parameter.lend")}  # fmt: skip
    assert orders["app"]["restore"].startswith("{{ ")
    assert orders["app"] == NEVER_AT_AN_UPGRADE | {"restore": orders["app"]["restore"]}


def test_orders_of_an_upgrade_name_the_backup_of_their_own_component(tenant):
    for name, root in (("upgrade", "backups"), ("rollback", "point.backups")):
        for params in of_kind(tenant[name], "parameter.lend"):
            component = params["parameter"].rsplit("/")[-1]
            assert params["values"]["restore"] == f"{{{{ {root}.{component} }}}}"


def test_a_dialer_that_is_not_there_is_left_out_of_an_upgrade(tenant):
    for name in ("upgrade", "rollback"):
        groups = {s.params["group"]: s.if_output for s in tenant[name].steps
                  if s.kind == "asg.replace"}  # fmt: skip
        assert groups == {
            "{{ outputs.app_asg_name }}": "",
            "{{ outputs.dialer_asg_name }}": "dialer_asg_name",
        }


@pytest.mark.parametrize("component", ["app", "asterisk"])
def test_a_backup_is_done_when_it_is_in_the_bucket(tenant, component):
    for name in ("backup", "upgrade"):
        waits = [p for p in of_kind(tenant[name], "s3.await_object") if p["component"] == component]
        assert [p["prefix"] for p in waits] == [f"backups/{component}/"]
        sent = [p for p in of_kind(tenant[name], "ssm.command") if p["component"] == component]
        assert [p["commands"] for p in sent] == [["/opt/omlsaas/bin/backup"]]


@pytest.mark.parametrize(
    "name", ["install", "change", "resize", "upgrade", "rollback", "replace_app", "ready"]
)
def test_what_brings_an_application_up_waits_for_its_pages(tenant, name):
    (probe,) = of_kind(tenant[name], "probe.http")
    assert probe["stages"] == [
        {"path": "/", "status": 302},
        {"path": "/accounts/login/", "status": 200},
    ]
    assert probe["verify_tls"] is True
    assert probe["timeout_s"] == (120 if name == "ready" else 3600)


def test_demo_data_is_asked_for_and_off(tenant):
    (param,) = tenant["install"].params
    assert (param.name, param.type, param.default) == ("demo_data", "bool", False)
    (lent,) = of_kind(tenant["install"], "parameter.lend")
    assert lent["values"]["init_environment"] == "{{ params.demo_data }}"


def test_a_password_goes_by_a_parameter_and_never_by_a_command(tenant):
    action = tenant["reset_password"]
    (handed,), (command,) = of_kind(action, "secret.hand_over"), of_kind(action, "ssm.command")
    assert command["commands"] == [f"/opt/omlsaas/bin/reset-admin-password {handed['parameter']}"]
    assert order(action, "configure")[-1] == "secret.take"


def test_sizes_versions_and_carriers_have_forms_of_their_own(blueprint):
    for kind in blueprint.kinds.values():
        assert kind.actions["trunks"].fields == ("pstn_trunks",)
        assert set(kind.sizes.values()) <= set(kind.actions["resize"].fields)
        assert set(kind.versions.values()) <= set(kind.actions["upgrade"].fields)


@pytest.mark.parametrize("name", ["upgrade", "resize"])
def test_a_shared_environment_gets_its_new_machines_one_by_one(blueprint, name):
    groups = [p["group"] for p in of_kind(blueprint.kinds["shared"].actions[name], "asg.replace")]
    assert groups == ["{{ outputs.sbc_asg_name }}", "{{ outputs.rtpengine_asg_name }}"]


def test_every_secret_that_machines_read_has_an_action_that_tells_what_restarts(blueprint):
    own = {"admin_password"}  # reset_password makes and hands over that one
    for kind in blueprint.kinds.values():
        action = kind.actions["passwords"]
        assert set(action.fields) == {v.name for v in kind.inputs if v.sensitive} - own
        assert "calls" in action.description and "new machine" in action.description
        replaced = {one["group"] for one in of_kind(action, "asg.replace")}
        assert replaced, "a running machine goes on with the old one"
    shared, tenant = (blueprint.kinds[name].actions["passwords"] for name in ("shared", "tenant"))
    assert [one["group"] for one in of_kind(shared, "asg.replace")] == [
        "{{ outputs.sbc_asg_name }}"
    ]
    assert wanted(tenant) == wanted(blueprint.kinds["tenant"].actions["upgrade"])
