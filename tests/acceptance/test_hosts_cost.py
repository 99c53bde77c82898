"""What a playbook over many hosts leaves in the database."""

import pytest

from deployments.runstatus import RunStatus
from tenants.models import Host
from tests import sshhosts
from tests.acceptance.test_hosts import machines  # noqa: F401  (a fixture)
from tests.hosted import Hosted, do, log_of, make_hosted

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(sshhosts.why_not()), reason=sshhosts.why_not()),
]
S = RunStatus
MANY = 20


@pytest.fixture
def known(throw_away, worker, machines, tmp_path) -> Hosted:  # noqa: F811
    """Return a tenant on two hosts that are known."""
    hosted = make_hosted(tmp_path / "written", machines)
    do(worker, hosted.queue("contact"))
    hosted.pin_all()
    return hosted


def test_events_become_progress_and_no_rows(known, worker):
    stack = known.stack()
    Host.objects.bulk_create(
        Host(stack=stack, name=f"host-{n}", role="app", address="127.0.0.1",
             python="/usr/bin/python3", host_key=known.host().host_key)
        for n in range(MANY - 2)
    )  # fmt: skip
    run = do(worker, known.queue("many", params={"way": "local", "turns": 1}))
    assert run.status == S.APPLIED, (run.error_text, log_of(run)[-2000:])
    step = run.steps.get(kind="ansible.playbook")
    assert len(step.progress["hosts"]) == MANY
    assert step.progress["totals"]["ok"] >= 10 * MANY
    # Steps and changes of status only: no event is a row.
    assert run.steps.count() + run.events.count() < 12
