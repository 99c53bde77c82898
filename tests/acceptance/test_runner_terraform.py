"""The runner with the real terraform: cancel, death, plans, logs."""

import json
import os
import shutil
import signal
import time

import pytest

from deployments.runner import process as runner
from deployments.runner import terraform, workdir
from deployments.runner.humanlog import HumanLog
from deployments.runner.plans import plan_view
from deployments.runner.projection import Projection, replay
from deployments.runner.redact import DOTS, Redactor
from deployments.runner.tail import Tail

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed"),
]

RUN = "run_01ABCDEFGHJKMNPQRSTVWXYZ02"
STACK = "stk_01ABCDEFGHJKMNPQRSTVWXYZ02"
SECRET = 'p"ss<w&rd\\with/signs'
HCL = """
variable "secret" {
  type      = string
  sensitive = true
}
variable "delay" {
  type    = number
  default = 0
}
variable "size" {
  type    = number
  default = 1
}
resource "terraform_data" "quick" {
  input = { size = var.size, password = var.secret, list = [var.secret, "plain"] }
}
resource "terraform_data" "slow" {
  depends_on       = [terraform_data.quick]
  triggers_replace = [var.size]
  provisioner "local-exec" {
    # Terraform hides the output of a provisioner that names a sensitive value; not this one's.
    command     = "echo begun; sleep $DELAY; echo secret is $TF_VAR_secret"
    environment = { DELAY = var.delay }
  }
}
output "password" {
  value     = terraform_data.quick.output
  sensitive = true
}
output "size" { value = var.size }
"""


def wait_until(true, seconds=60):
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)
    return found


class Engine:
    """One workdir with one root module, whose commands are run as steps."""

    lines = terraform.CommandLines()

    def __init__(self, tmp_path):
        self.folder = workdir.Workdir(tmp_path / "workdirs", RUN).make()
        self.module = self.folder.tf / "lab"
        self.module.mkdir()
        (self.module / "main.tf").write_text(HCL)
        self.state = workdir.write_local_backend(self.module, tmp_path / "state", STACK)
        self.folder.write_cli_config()
        self.steps = 0

    def start(self, argv, **limits):
        self.steps += 1
        self.dir = self.folder.step_dir(self.steps)
        env = terraform.environment(self.folder.path, {"secret": SECRET})
        limits = {"timeout_s": 120, "silence_s": 120, "grace_s": 60, **limits}
        runner.start_step(self.dir, argv, self.module, env, RUN, raw_limit=1 << 30, **limits)

    def run(self, argv):
        self.start(argv)
        return self.end()

    def end(self):
        return wait_until(lambda: runner.judge(self.dir, RUN).exit)

    def plan(self, **values):
        workdir.write_tfvars(self.module, values)
        assert self.run(self.lines.init(False)).exit_code == 0, self.raw()
        return self.run(self.lines.plan())

    def raw(self):
        path = self.dir / "raw.log"
        return path.read_text() if path.exists() else ""

    def log(self):
        human, projection, text = HumanLog(Redactor([SECRET]).apply), Projection(), b""
        with Tail(self.dir / "raw.log") as tail:
            while block := tail.read(ended=True)[1]:
                lines, events = human.feed(block)
                text += lines
                projection.update(events)
        assert replay(self.dir / "raw.log", 1 << 30).done == projection.done
        return text.decode(), projection

    def show(self):
        out = self.folder.path / "plan.json"
        env = terraform.environment(self.folder.path, {})
        answer = runner.capture(self.lines.show_plan(), self.module, env, RUN, 60, out)
        assert answer.code == 0, answer.stderr
        return json.loads(out.read_bytes())


@pytest.fixture
def engine(tmp_path):
    engine = Engine(tmp_path)
    yield engine
    runner.request_cancel(engine.dir, "kill")
    wait_until(lambda: not runner.is_alive(engine.dir))
    assert runner.kill_marked(RUN) == []
    wait_until(lambda: runner.reap() == 0)


def lock_of(engine):
    return engine.state.with_name(f".{engine.state.name}.lock.info")


def test_plan_and_apply_give_log_timeline_and_state(engine):
    assert engine.plan().exit_code == 2
    assert engine.run(engine.lines.apply()).exit_code == 0
    text, projection = engine.log()
    assert f"secret is {DOTS}" in text
    assert SECRET not in text
    assert {row["address"]: row["status"] for row in projection.resources} == {
        "terraform_data.quick": "done", "terraform_data.slow": "done"
    }  # fmt: skip
    assert (projection.done, projection.total, projection.failed) == (2, 2, 0)
    assert projection.counts["add"] == 2
    assert sorted(projection.outputs) == ["password", "size"]
    assert json.loads(engine.state.read_bytes())["resources"]


def test_plan_without_changes_is_exit_code_0_and_says_so(engine):
    engine.plan()
    engine.run(engine.lines.apply())
    assert engine.plan().exit_code == 0
    assert not plan_view(engine.show())["view"]["has_changes"]


def test_plan_of_a_change_is_masked_and_loud_about_the_replacement(engine):
    engine.plan()
    engine.run(engine.lines.apply())
    engine.plan(size=2)
    shown = engine.show()
    assert json.dumps(SECRET)[1:-1] in json.dumps(shown)
    found = plan_view(shown, {"secret"})
    text = json.dumps(found, ensure_ascii=False)
    assert SECRET not in text
    assert json.dumps(SECRET)[1:-1] not in text
    resources = {row["address"]: row for row in found["view"]["resources"]}
    assert [row["action"] for row in found["view"]["resources"]] == ["replace", "update"]
    slow = resources["terraform_data.slow"]
    assert slow["reason"] == "replace_because_cannot_update"
    assert slow["attributes"][0]["path"].startswith("triggers_replace")
    assert slow["attributes"][0]["forces"]
    assert found["view"]["counts"]["destroy"] == 1


def test_replacement_is_one_row_in_the_timeline(engine):
    engine.plan()
    engine.run(engine.lines.apply())
    engine.plan(size=2)
    engine.run(engine.lines.apply())
    _, projection = engine.log()
    assert {row["action"]: row["status"] for row in projection.resources} == {
        "replace": "done", "update": "done"
    }  # fmt: skip
    assert projection.done == projection.total == 3


def test_graceful_cancel_saves_the_state_and_releases_the_lock(engine):
    engine.plan(delay=60)
    engine.start(engine.lines.apply())
    wait_until(lambda: "begun" in engine.raw())
    assert lock_of(engine).exists()
    runner.request_cancel(engine.dir, "graceful", "asked by Alice")
    outcome = engine.end()
    assert (outcome.exit_code, outcome.because, outcome.was_forced) == (1, "cancel", False)
    state = json.loads(engine.state.read_bytes())
    assert "quick" in [row["name"] for row in state["resources"]]
    assert not lock_of(engine).exists()
    assert runner.marked_pids(RUN) == []


def test_time_out_saves_the_state_and_releases_the_lock(engine):
    engine.plan(delay=60)
    engine.start(engine.lines.apply(), timeout_s=1)
    outcome = engine.end()
    assert (outcome.exit_code, outcome.because, outcome.was_forced) == (1, "timeout", False)
    assert json.loads(engine.state.read_bytes())["resources"]
    assert not lock_of(engine).exists()


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs PDEATHSIG")
def test_death_of_the_supervisor_ends_terraform_gracefully(engine):
    engine.plan(delay=60)
    engine.start(engine.lines.apply())
    wait_until(lambda: "begun" in engine.raw())
    os.kill(runner.read_child(engine.dir)["shim_pid"], signal.SIGKILL)

    def is_over():
        found = runner.judge(engine.dir, RUN)
        # What the local-exec started may still sleep, or may never have begun to.
        return found.kind in ("orphaned", "gone") and not found.engine_alive

    wait_until(is_over)
    assert json.loads(engine.state.read_bytes())["resources"]
    assert not lock_of(engine).exists()
    assert runner.kill_marked(RUN) == []
    assert runner.judge(engine.dir, RUN).kind == "gone"


def test_apply_from_the_bundle_in_a_fresh_folder(engine):
    engine.plan()
    bundle = workdir.seal(engine.folder.tf)
    workdir.remove(engine.folder.tf)
    workdir.unpack(bundle, engine.folder.tf)
    assert engine.run(engine.lines.init(False)).exit_code == 0
    assert engine.run(engine.lines.apply()).exit_code == 0


def test_wrong_input_beside_a_secret_quotes_only_its_own_line(engine):
    workdir.write_tfvars(engine.module, {"other": "harmless", "size": "not a number"})
    engine.run(engine.lines.init(False))
    assert engine.run(engine.lines.plan()).exit_code == 1
    text, projection = engine.log()
    assert "size" in text
    assert "harmless" not in text
    assert [d["severity"] for d in projection.diagnostics].count("error") == 1


def test_configuration_that_does_not_parse_is_a_diagnostic_with_its_place(engine):
    (engine.module / "broken.tf").write_text('resource "x" {\n')
    outcome = engine.run(engine.lines.init(False))
    assert outcome.exit_code == 1
    text, projection = engine.log()
    assert "broken.tf" in text
    assert any("broken.tf:1" in d["place"] for d in projection.diagnostics)


def test_version_of_the_real_program_is_new_enough():
    assert terraform.require("terraform")
