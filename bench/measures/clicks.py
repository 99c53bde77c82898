"""click_to_start_ms: from the POST of an action's form to the engine's process."""

import time

from bench.figures import percentile
from bench.lab import SECRET
from bench.portal import wait_for
from bench.rig import Rig

RUNS = 50
STACKS = 5


def measure(rig: Rig) -> None:
    """Start plan-only runs on an idle portal, one at a time."""
    lab = rig.fake
    names = [f"click{number}" for number in range(STACKS)]
    stacks = lab.tenants(names)
    inputs = {"admin_password": SECRET}
    for stack_id in stacks:
        # Not counted: secrets are set, caches are warm.
        lab.client.wait_end(lab.client.start(stack_id, "install", **inputs, delay_ms=0))
    waits = []
    for number in range(RUNS):
        stack_id = stacks[number % STACKS]
        begun = time.time_ns()
        run_id = lab.client.start(stack_id, "plan")
        started = wait_for(lambda at=begun: lab.engine.starts(at), 20, "the engine's start", 0.01)
        waits.append((started[0][0] - begun) / 1e6)
        lab.client.wait_end(run_id, 60)
        # The page after the click and the end of the run are not part of an idle portal.
        time.sleep(0.2)
    rig.report.tell("click_to_start_ms_p50", waits)
    rig.report.tell("click_to_start_ms_p99", waits, value=percentile(waits, 99))
