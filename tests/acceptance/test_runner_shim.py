"""The supervisor with real processes: nothing gets away, nothing is lost, whoever dies."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployments.runner import process as runner
from deployments.runner import proctable
from deployments.runner.tail import Tail
from omlsaas.lib.ids import new_id

BINS = Path(__file__).parents[1] / "bins"
# Of this process alone: another that runs these tests must not end what we start.
RUN = new_id("run")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and prctl")


def wait_until(true, seconds=30):
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)
    return found


class Step:
    """One step under a real supervisor."""

    def __init__(self, folder: Path):
        self.dir = folder

    def start(self, *argv, env=None, cwd="/", **limits):
        limits = {
            "timeout_s": 60, "silence_s": 60, "grace_s": 30, "raw_limit": 1 << 30, **limits
        }  # fmt: skip
        runner.start_step(
            self.dir, list(argv), cwd, {"PATH": os.environ["PATH"], **(env or {})}, RUN, **limits
        )
        return self

    @property
    def state(self):
        return runner.judge(self.dir, RUN)

    @property
    def raw(self):
        path = self.dir / "raw.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self) -> runner.Exit:
        return wait_until(lambda: self.state.exit)

    def child(self):
        return wait_until(lambda: runner.read_child(self.dir))

    def says(self, word):
        wait_until(lambda: word in self.raw)
        return self


@pytest.fixture
def step(tmp_path):
    step = Step(tmp_path / "step")
    yield step
    runner.request_cancel(step.dir, "kill")
    wait_until(lambda: not runner.is_alive(step.dir))
    assert runner.kill_marked(RUN) == []
    wait_until(lambda: runner.reap() == 0)


def test_exit_code_and_output_of_a_child_are_kept(step):
    outcome = step.start("sh", "-c", "echo out; echo err >&2; exit 3").end()
    assert (outcome.exit_code, outcome.signal, outcome.because) == (3, None, None)
    assert sorted(step.raw.split()) == ["err", "out"]
    assert outcome.started_at <= outcome.ended_at
    assert outcome.max_rss_kb > 100


def test_signal_that_killed_a_child_is_told(step):
    outcome = step.start("sh", "-c", "kill -9 $$").end()
    assert (outcome.exit_code, outcome.signal, outcome.was_forced) == (None, 9, False)


@linux
def test_child_sees_exactly_its_environment_and_a_clean_start(step, tmp_path):
    env = {"A": "ö \n$x"}
    step.start(sys.executable, str(BINS / "shows_itself"), "a b", env=env, cwd=str(tmp_path)).end()
    seen = json.loads(step.raw)
    assert seen["env"].pop("PATH") == os.environ["PATH"]
    seen["env"].pop("LC_CTYPE", None)  # Python sets it for itself
    assert seen["env"] == {"A": "ö \n$x", "OMLSAAS_RUN": RUN}
    assert seen["argv"] == ["a b"]
    assert seen["cwd"] == str(tmp_path)
    assert seen["stdin"] == "/dev/null"
    assert seen["fds"] == [0, 1, 2]
    assert (seen["ignored"], seen["blocked"], seen["core"]) == ([], [], 0)
    assert seen["is_leader"]


@linux
def test_supervisor_holds_no_environment_and_no_argument_of_the_child(step):
    step.start("sh", "-c", "echo ready; sleep 60", env={"SECRET": "do-not-show-me"}).says("ready")
    shim = step.child()["shim_pid"]
    for name in ("environ", "cmdline"):
        assert b"do-not-show-me" not in Path(f"/proc/{shim}/{name}").read_bytes()


def test_signals_ignored_by_the_worker_are_not_ignored_by_the_child(tmp_path):
    folder = tmp_path / "step"
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from deployments.runner import process\n"
        f"process.start_step({str(folder)!r}, ['sleep', '60'], '/', {{'PATH': '/bin:/usr/bin'}},"
        f" {RUN!r}, 60, 60, 30, 1 << 30)\nimport os; os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    step = Step(folder)
    step.child()
    runner.request_cancel(folder)
    assert step.end().signal == signal.SIGINT


def test_program_that_is_not_there_is_127_with_words(step):
    outcome = step.start("no-such-program").end()
    assert outcome.exit_code == 127
    assert "no-such-program" in outcome.error
    assert "No such file" in step.raw


def test_program_that_may_not_be_executed_is_126(step, tmp_path):
    (tmp_path / "plain").write_text("text")
    assert step.start(str(tmp_path / "plain")).end().exit_code == 126


def test_folder_that_is_not_there_is_told(step):
    outcome = step.start("true", cwd="/no/such/folder").end()
    assert outcome.exit_code == 127
    assert "/no/such/folder" in outcome.error


def test_files_of_a_step_are_private(step):
    step.start("true").end()
    modes = {path.name: path.stat().st_mode & 0o777 for path in step.dir.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert step.dir.stat().st_mode & 0o777 == 0o700


# -- cancel --------------------------------------------------------------------------------


def test_graceful_cancel_is_exactly_one_interrupt(step, tmp_path):
    end = tmp_path / "end"
    step.start(sys.executable, str(BINS / "counts_signals"), str(end)).says("ready")
    runner.request_cancel(step.dir, "graceful", "asked by Alice")
    step.says("SIGINT")
    runner.request_cancel(step.dir, "graceful", "asked again")
    os.kill(step.child()["shim_pid"], signal.SIGTERM)  # an operator stops the supervisor as well
    time.sleep(0.35)  # three ticks, in which a second signal would be sent
    end.touch()
    outcome = step.end()
    assert step.raw.split() == ["ready", "SIGINT"]
    assert (outcome.because, outcome.note, outcome.was_forced) == (
        "cancel", "asked by Alice", False
    )  # fmt: skip
    assert outcome.exit_code == 0


def test_child_that_ignores_the_interrupt_is_killed_after_the_grace(step):
    step.start(str(BINS / "stubborn"), grace_s=0.5).says("started")
    runner.request_cancel(step.dir)
    outcome = step.end()
    assert (outcome.signal, outcome.because, outcome.was_forced) == (9, "cancel", True)
    assert runner.marked_pids(RUN) == []


def test_kill_overrides_a_graceful_cancel_at_work(step):
    step.start(str(BINS / "stubborn"), grace_s=3600).says("started")
    runner.request_cancel(step.dir, "graceful", "first")
    runner.request_cancel(step.dir, "kill", "second")
    runner.request_cancel(step.dir, "graceful", "too late")
    outcome = step.end()
    assert (outcome.signal, outcome.was_forced) == (9, True)


def test_cancel_before_the_start_means_that_nothing_is_started(step, tmp_path):
    runner.request_cancel(step.dir, "graceful", "changed my mind")
    outcome = step.start("touch", str(tmp_path / "ran")).end()
    assert (outcome.exit_code, outcome.signal, outcome.because) == (None, None, "cancel")
    assert not (tmp_path / "ran").exists()
    assert not (step.dir / "raw.log").exists()


def test_termination_of_the_supervisor_is_a_graceful_cancel(step, tmp_path):
    step.start("sleep", "60")
    os.kill(step.child()["shim_pid"], signal.SIGTERM)
    outcome = step.end()
    assert (outcome.signal, outcome.because, outcome.note) == (signal.SIGINT, "cancel", "SIGTERM")


def test_unreadable_cancel_file_is_a_graceful_cancel(step):
    step.start("sleep", "60").child()
    (step.dir / "cancel").write_text("{")
    assert step.end().because == "cancel"


# -- limits --------------------------------------------------------------------------------


def test_total_time_out_starts_the_graceful_path(step):
    outcome = step.start("sh", "-c", "while :; do echo x; sleep 0.05; done", timeout_s=0.4).end()
    assert (outcome.because, outcome.was_forced) == ("timeout", False)


def test_silence_starts_the_graceful_path(step):
    outcome = step.start("sh", "-c", "echo once; exec sleep 60", silence_s=0.4).end()
    assert (outcome.because, outcome.signal) == ("silence", signal.SIGINT)


def test_sound_keeps_the_silence_away(step):
    code = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done"
    assert step.start("sh", "-c", code, silence_s=0.6).end().because is None


def test_too_long_a_log_starts_the_graceful_path(step):
    outcome = step.start(
        "sh", "-c", "head -c 70000 /dev/zero; exec sleep 60", raw_limit=65536
    ).end()
    assert (outcome.because, outcome.signal) == ("log_limit", signal.SIGINT)


def test_flood_that_ignores_the_interrupt_is_killed_before_it_fills_the_disk(step):
    flood = "import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: print('x' * 9999)"
    outcome = step.start(sys.executable, "-c", flood, raw_limit=100_000, grace_s=3600).end()
    assert (outcome.because, outcome.signal, outcome.was_forced) == ("log_limit", 9, True)


# -- what children leave behind ------------------------------------------------------------


@linux
@pytest.mark.parametrize("how", ["leave", "wait"])
def test_forking_child_leaves_nothing_behind(step, how):
    before = set(proctable.process_table())
    step.start(str(BINS / "brood"), how).says(how)
    if how == "wait":
        runner.request_cancel(step.dir, "kill")
    outcome = step.end()
    sleeping = [
        pid for pid in set(proctable.process_table()) - before if b"sleep\x00360" in _cmdline(pid)
    ]
    assert sleeping == []
    assert outcome.leftovers_killed >= 4 or how == "wait"


def _cmdline(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@linux
def test_death_of_the_supervisor_interrupts_the_child_and_is_told_as_gone(step):
    step.start("sleep", "60")
    os.kill(step.child()["shim_pid"], signal.SIGKILL)
    wait_until(lambda: step.state.kind == "gone")
    assert runner.marked_pids(RUN) == []


@linux
def test_child_that_survives_its_supervisor_is_told_as_orphaned_until_it_is_killed(step):
    step.start(str(BINS / "stubborn")).says("started")
    child = step.child()
    os.kill(child["shim_pid"], signal.SIGKILL)
    wait_until(lambda: step.state.kind == "orphaned")
    assert child["pid"] in step.state.pids
    assert step.state.engine_alive
    assert runner.kill_marked(RUN) == []
    assert step.state.kind == "gone"


def test_death_of_the_worker_does_not_touch_the_child(tmp_path):
    step = Step(tmp_path / "step")
    worker = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom deployments.runner import process\n"
         "process.start_step(sys.argv[1], ['sh', '-c', 'sleep 0.4; echo survived'], '/',"
         " {'PATH': '/bin:/usr/bin'}, sys.argv[2], 60, 60, 30, 1 << 30)\n"
         "import time; time.sleep(60)", str(step.dir), RUN],
        cwd=Path(__file__).parents[2], start_new_session=True,
    )  # fmt: skip
    step.child()
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert step.state.kind == "running"
    assert step.end().exit_code == 0
    assert step.raw == "survived\n"


# -- once, and never twice -----------------------------------------------------------------


def test_second_start_of_a_step_is_nothing(step, tmp_path):
    count = f"echo run >> {tmp_path / 'count'}; sleep 0.3"
    for _ in range(3):
        step.start("sh", "-c", count)
    step.end()
    step.start("sh", "-c", count)
    assert (tmp_path / "count").read_text() == "run\n"


def test_starting_step_is_never_taken_for_a_dead_one(step):
    step.start("sleep", "0.2")
    assert step.state.kind == "running"


def test_state_of_a_step_that_was_never_started(step):
    step.dir.mkdir()
    assert step.state.kind == "not_started"


def test_supervisor_that_cannot_start_leaves_a_step_not_started(step, monkeypatch):
    monkeypatch.setattr(runner.sys, "executable", "/no/such/python")
    with pytest.raises(runner.StartFailed):
        step.start("true")
    assert step.state.kind == "not_started"


def test_probes_do_not_disturb_a_start(step):
    probe = (
        "import sys\nfrom deployments.runner import process\n"
        "while True: process.is_alive(sys.argv[1])"
    )
    step.dir.mkdir()
    (step.dir / "alive.lock").touch()
    probes = [
        subprocess.Popen(
            [sys.executable, "-c", probe, str(step.dir)], cwd=Path(__file__).parents[2]
        )
        for _ in range(2)
    ]
    try:
        assert step.start("echo", "hello").end().exit_code == 0
    finally:
        for each in probes:
            each.kill()
            each.wait()


# -- what a log may be ---------------------------------------------------------------------


def test_ten_megabytes_in_one_line_are_cut_and_cost_no_memory(step):
    code = "import sys; sys.stdout.write('a' * 10_000_000 + '\\nlast')"
    step.start(sys.executable, "-c", code).end()
    with Tail(step.dir / "raw.log") as tail:
        _, lines = tail.read(ended=True)
        assert lines.endswith(" … [line cut, 10000000 bytes]\n".encode())
        assert len(lines) < 66_000
        assert tail.read(ended=True) == (10_000_005, b"last\n")
        assert tail.read(ended=True) == (10_000_005, b"")


def test_binary_output_comes_through_as_text(step):
    step.start(sys.executable, "-c", "import os; os.write(1, bytes(range(256)) * 40)").end()
    text = b""
    with Tail(step.dir / "raw.log") as tail:
        while lines := tail.read(ended=True)[1]:
            text += lines
    assert "␀" in text.decode()
    assert set(text) & set(range(32)) <= {9, 10, 27}


@linux
def test_exit_file_is_written_on_a_full_disk(tmp_path):
    code = """
import sys, time
from deployments.runner import process
step_dir, run_id = sys.argv[1:]
env = {"PATH": "/bin:/usr/bin"}
fill = ["sh", "-c", "cat /dev/zero > filler; exit 5"]
process.start_step(step_dir, fill, step_dir, env, run_id, 60, 60, 30, 1 << 30)
while process.read_exit(step_dir) is None:
    time.sleep(0.01)
print(process.read_exit(step_dir))
"""
    mount = f'mount -t tmpfs -o size=256k omlsaas-test {tmp_path} && exec "$@"'
    argv = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*argv, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here: a full disk cannot be made")
    argv += [sys.executable, "-c", code, str(tmp_path / "step"), RUN]
    answer = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert "exit_code=5" in answer.stdout, answer.stderr
    assert "no space left" in answer.stdout


# -- the process table ---------------------------------------------------------------------


@linux
def test_process_table_of_ps_agrees_with_proc(step, monkeypatch):
    step.start("sh", "-c", "sleep 60 & wait").child()
    wait_until(lambda: len(runner.marked_pids(RUN)) == 2)
    by_proc = sorted(runner.marked_pids(RUN))
    monkeypatch.setattr(proctable, "HAS_PROC", False)
    assert sorted(proctable.marked(RUN)) == by_proc
    shim = step.child()["shim_pid"]
    assert set(proctable.descendants(shim, RUN)) == set(by_proc)


def test_mark_of_another_run_is_not_ours(step):
    step.start("sleep", "60").child()
    assert runner.marked_pids(RUN[:-1]) == []
    assert runner.marked_pids(RUN[:-1] + "2") == []


# -- short commands ------------------------------------------------------------------------


def test_capture_puts_output_in_a_private_file(tmp_path):
    out = tmp_path / "out"
    answer = runner.capture(
        ["sh", "-c", "echo out; echo err >&2; exit 4"], tmp_path, {"PATH": "/bin"}, RUN, 10, out
    )
    assert (answer.code, answer.stderr, answer.timed_out) == (4, "err\n", False)
    assert out.read_text() == "out\n"
    assert out.stat().st_mode & 0o777 == 0o600


def test_capture_kills_a_command_and_its_children_at_the_time_out(tmp_path):
    answer = runner.capture(
        ["sh", "-c", "sleep 60 & sleep 60"], tmp_path, {"PATH": "/bin:/usr/bin"}, RUN, 0.2,
        tmp_path / "out",
    )  # fmt: skip
    assert (answer.code, answer.timed_out) == (-9, True)
    assert wait_until(lambda: runner.marked_pids(RUN) == [])


def test_capture_gives_the_end_of_a_long_complaint(tmp_path):
    code = "import sys; sys.stderr.write('x' * 200_000 + 'end')"
    argv = [sys.executable, "-c", code]
    answer = runner.capture(argv, tmp_path, {}, "", 20, tmp_path / "out")
    assert len(answer.stderr) == runner.STDERR_LIMIT
    assert answer.stderr.endswith("xend")
