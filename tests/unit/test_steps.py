"""Kinds of step: where their pieces stand in a run."""

import pytest

from deployments.checks import check_steps
from deployments.steps import PHASES, first_phase, pieces_of
from deployments.steps.kinds import KINDS

APPLY = [{"kind": "terraform.plan"}, {"kind": "terraform.apply"}]
LEND = {"kind": "parameter.lend", "params": {"parameter": "/a/b", "values": {}}}
BACKUP = [{"kind": "ssm.command"}, {"kind": "s3.await_object"}]


def names(steps, phase):
    """Return the pieces of a phase, those that only clean up after a failure in brackets."""
    found = pieces_of(steps)[phase]
    return [f"({p.piece.kind})" if p.after_failure else p.piece.kind for p in found]


def test_what_is_noted_first_stands_before_the_command():
    assert names(BACKUP, "configure") == ["s3.note", "ssm.command", "s3.await_object"]


def test_a_clean_up_stands_at_the_very_end_and_after_each_failure():
    steps = [*APPLY[:1], LEND, *APPLY[1:], {"kind": "asg.replace"}, {"kind": "probe.http"}]
    assert names(steps, "plan") == ["terraform.init", "terraform.plan", "plan.seal"]
    assert names(steps, "apply")[0] == "parameter.lend"
    assert names(steps, "apply")[-2:] == ["state.after", "(parameter.take)"]
    assert names(steps, "configure") == ["asg.replace", "(parameter.take)"]
    assert names(steps, "verify") == ["probe.http", "parameter.take"]


def test_a_clean_up_without_later_phases_ends_its_own():
    assert names([*APPLY[:1], LEND, *APPLY[1:]], "apply")[-1] == "parameter.take"


def test_the_last_to_be_lent_is_the_first_to_be_taken():
    hand = {"kind": "secret.hand_over", "params": {}}
    lend = {**LEND, "phase": "configure"}
    assert names([lend, hand], "configure")[-2:] == ["secret.take", "parameter.take"]


def test_a_look_stands_in_the_plan_phase():
    steps = [{"kind": "s3.empty"}]
    assert (names(steps, "plan"), names(steps, "configure")) == (["s3.look"], ["s3.empty"])


def test_a_step_may_name_another_phase_of_its_kind():
    steps = [{**step, "phase": "plan"} for step in BACKUP] + APPLY
    assert names(steps, "plan")[:4] == ["s3.note", "ssm.command", "s3.await_object",
                                        "terraform.init"]  # fmt: skip
    assert names(steps, "configure") == []


@pytest.mark.parametrize(
    ("steps", "first", "after_plan"),
    [
        (APPLY, "plan", "apply"),
        (BACKUP, "configure", "configure"),
        ([{"kind": "probe.http"}], "verify", "verify"),
        ([{"kind": "s3.empty"}], "plan", "configure"),
        ([{"kind": "terraform.plan"}], "plan", None),
    ],
)
def test_a_run_begins_with_the_first_phase_that_it_has(steps, first, after_plan):
    pieces = pieces_of(steps)
    assert (first_phase(pieces), first_phase(pieces, after="plan")) == (first, after_plan)


def test_every_kind_says_how_it_is_canceled_and_resumed():
    silent = [n for n, kind in KINDS.items() if not (kind.cancel and kind.resume)]
    assert silent == []
    assert {phase for kind in KINDS.values() for phase in (kind.phase, *kind.also)} <= set(PHASES)


def test_a_clean_up_is_done_after_a_failure():
    lasting = [piece for kind in KINDS.values() for piece in kind.last]
    assert lasting
    assert all(piece.always for piece in lasting)


def blueprint(folder, step):
    """Write a blueprint with one step, and return what the check says of it."""
    root = folder / "demo" / "tenant"
    root.mkdir(parents=True)
    (root / "main.tf").write_text('resource "terraform_data" "this" {}\n')
    (folder / "demo" / "blueprint.yaml").write_text(
        "title: Demo\nkinds:\n  tenant:\n    root: tenant\n"
        "    naming: {pattern: '[a-z]+', message: Letters.}\n"
        f"    actions:\n      go: {{label: Go, kind: change, risk: low, steps: [{step}]}}\n"
    )
    return [found.msg for found in check_steps()]


def test_a_phase_where_a_kind_cannot_be_done_is_refused(settings, tmp_path):
    settings.BLUEPRINT_ROOT = tmp_path
    told = blueprint(tmp_path, "{kind: asg.replace, group: x, phase: plan}")
    assert told == ["asg.replace cannot be done in the phase “plan”. It can in: configure."]


def test_the_tests_own_blueprint_passes_the_check(settings):
    from tests.acceptance.test_operations import BLUEPRINTS

    settings.BLUEPRINT_ROOT = BLUEPRINTS
    assert [found.msg for found in check_steps()] == []


def test_an_input_that_the_hcl_does_not_have_cannot_be_required(settings, tmp_path):
    settings.BLUEPRINT_ROOT = tmp_path
    told = blueprint(tmp_path, "{kind: inputs.require, values: {protected: false}}")
    assert told == ["There is no input “protected”."]


def test_inputs_have_one_other_word(settings, tmp_path):
    settings.BLUEPRINT_ROOT = tmp_path / "right"
    assert blueprint(tmp_path / "right", "{kind: probe.http, url: x, inputs: applied}") == []
    settings.BLUEPRINT_ROOT = tmp_path / "wrong"
    told = blueprint(tmp_path / "wrong", "{kind: probe.http, url: x, inputs: aplied}")
    assert told == ["probe.http knows “inputs: applied” alone, not “aplied”."]


def test_a_playbook_that_is_not_there_and_a_kind_without_hosts_are_told(settings, tmp_path):
    settings.BLUEPRINT_ROOT = tmp_path
    told = blueprint(tmp_path, "{kind: ansible.playbook, playbook: ansible/a.yml}")
    assert told == ["There is no playbook “ansible/a.yml” in this blueprint."]
    (tmp_path / "demo/ansible").mkdir()
    (tmp_path / "demo/ansible/a.yml").write_text("- hosts: all\n")
    assert [found.msg for found in check_steps()] == [
        "ansible.playbook needs “hosts” in the kind “tenant”."
    ]
