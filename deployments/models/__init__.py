"""What is done about it."""

from deployments.models.instances import InstancesRecord
from deployments.models.logs import LogChunk
from deployments.models.plans import Plan, StateVersion
from deployments.models.runs import Run, RunEvent, RunStep
from deployments.models.workers import Maintenance, WorkerHost

__all__ = [
    "InstancesRecord",
    "LogChunk",
    "Maintenance",
    "Plan",
    "Run",
    "RunEvent",
    "RunStep",
    "StateVersion",
    "WorkerHost",
]
