"""Following a run: its log as it comes, and its end as an exit code."""

import sys
from typing import Any

from omlsaas.cli.client import Portal

WAIT_S = 20
# 0 done, 1 failed, 3 stopped by somebody, 4 somebody has to decide.
EXITS = {
    "applied": 0, "planned_and_finished": 0, "errored": 1, "lost": 1, "canceled": 3,
    "discarded": 3, "planned": 4,
}  # fmt: skip


def watch(portal: Portal, run_id: str) -> int:
    """Print the log until the run ends or waits for a yes; return the exit code."""
    offset, waited_for = 0, ""
    out = sys.stdout.buffer
    while True:
        answer = portal.get(f"/runs/{run_id}/log", offset=offset, wait=WAIT_S)
        out.write(answer.content)
        out.flush()
        offset += len(answer.content)
        status = answer.headers["Run-Status"]
        if answer.headers["Log-Eof"] == "1":
            return tell(portal.get(f"/runs/{run_id}").json())
        if not answer.content and offset >= int(answer.headers["Log-End"]):
            run = portal.get(f"/runs/{run_id}").json()
            if run["status"] == "planned" and status == "planned":
                return tell(run)
            why = (run["waiting"] or {}).get("detail", "")
            if why and why != waited_for:
                print(f"waiting: {why}", file=sys.stderr)
                waited_for = why


def tell(run: dict[str, Any]) -> int:
    """Say on standard error how a run stands; return the exit code that goes with it."""
    plan = f"+{run['to_create']} ~{run['to_update']} ±{run['to_replace']} -{run['to_destroy']}"
    line = f"{run['stack']['name']} #{run['number']}: {run['status']} ({plan})"
    if run["error"]:
        line += f"\n{run['error']['detail']}"
    if run["status"] == "planned":
        line += f"\nRead the plan, then: omlsaas confirm {run['id']} --reason …"
    print(line, file=sys.stderr)
    return EXITS.get(run["status"], 4)
