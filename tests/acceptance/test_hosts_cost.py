"""What a playbook costs in the portal beside Ansible alone, and how late its events are."""

import shutil
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.models import Run
from deployments.runner import ansible
from deployments.runstatus import RunStatus
from tenants.models import Host
from tests import sshhosts
from tests.acceptance.test_hosts import machines  # noqa: F401  (a fixture)
from tests.hosted import Hosted, do, log_of, make_hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(sshhosts.why_not()), reason=sshhosts.why_not()),
]
S = RunStatus
TIMES = 3


@pytest.fixture
def known(throw_away, worker, machines, tmp_path) -> Hosted:  # noqa: F811
    """Return a tenant on two hosts that are known."""
    hosted = make_hosted(tmp_path / "written", machines)
    do(worker, hosted.queue("contact"))
    hosted.pin_all()
    return hosted


def bare(known: Hosted, folder: Path, settings) -> float:
    """Return the seconds of the same playbook by ansible-playbook alone, with its own output."""
    place = ansible.Place(folder).make()
    shutil.copytree(settings.BLUEPRINT_ROOT / "hosted" / "ansible", folder / "ansible")
    every = {}
    for host in known.stack().hosts.living():
        key = place.key(host.public_id)
        key.touch(mode=0o600)
        key.write_text(known.machines[host.name].key)
        every[host.name] = {
            "ansible_host": host.address, "ansible_port": host.port, "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key), "ansible_python_interpreter": host.python,
            "ansible_ssh_common_args": ansible.host_alias(host.public_id),
        }  # fmt: skip
    groups = {role: {"hosts": {f"{role}-one": {}}} for role in ("app", "voice")}
    place.write_inventory({"all": {"hosts": every, "children": groups}})
    place.write_known_hosts({h.public_id: h.host_key for h in known.stack().hosts.living()})
    ansible.write_values(place.variables, {"way": "ssh", "turns": 6})
    ansible.write_values(place.secrets, {})
    env = ansible.environment(place) | {"ANSIBLE_STDOUT_CALLBACK": "default"}
    argv = ansible.command(settings.ANSIBLE_BIN, folder / "ansible" / "many.yml", place)
    began = time.monotonic()
    with open(folder / "out", "wb") as out:
        subprocess.run(argv, cwd=folder, env=env, check=True, stdout=out, stdin=subprocess.DEVNULL)
    return time.monotonic() - began


def test_a_run_takes_at_most_a_fifth_more_than_ansible_alone(known, worker, settings, tmp_path):
    alone, portal = [], []
    for turn in range(TIMES):
        alone.append(bare(known, tmp_path / f"bare-{turn}", settings))
        began = time.monotonic()
        run = do(worker, known.queue("many"))
        portal.append(time.monotonic() - began)
        assert run.status == S.APPLIED, log_of(run)
        progress = run.steps.get(kind="ansible.playbook").progress
        # 60 tasks on each host, and one that includes them by tens.
        assert progress["totals"]["ok"] >= 120
    ratio = min(portal) / min(alone)
    print(f"\nbare {alone} s, portal {portal} s, ratio {ratio:.2f}")
    assert ratio <= 1.2


def test_events_of_two_hundred_hosts_are_seen_within_two_seconds(known, worker):
    stack = known.stack()
    Host.objects.bulk_create(
        Host(stack=stack, name=f"host-{n}", role="app", address="127.0.0.1",
             python="/usr/bin/python3", host_key=known.host().host_key)
        for n in range(198)
    )  # fmt: skip
    run = known.queue("many", params={"way": "local", "turns": 1})
    thread = threading.Thread(target=worker.work, args=(run.public_id,), daemon=True)
    thread.start()
    lags, rows, seen = [], 0, ""
    while thread.is_alive():
        time.sleep(0.1)
        step = run.steps.filter(kind="ansible.playbook").first()
        newest = max((row["ended"] for row in (step.progress if step else {}).get("hosts", ())),
                     default="")  # fmt: skip
        if newest and newest != seen:
            seen = newest
            at = datetime.fromisoformat(newest.replace("Z", "+00:00"))
            lags.append((datetime.now(UTC) - at).total_seconds())
    thread.join()
    run = Run.objects.with_stack().get(pk=run.pk)
    assert run.status == S.APPLIED, (run.error_text, log_of(run)[-2000:])
    rows = run.steps.count() + run.events.count()
    print(f"\n{len(lags)} looks, lag at most {max(lags):.2f} s, {rows} rows")
    assert max(lags) <= 2.0
    # Steps and changes of status only: no event is a row.
    assert rows < 12
