"""What is done about it."""

from deployments.models.approvals import Approval, ApprovalPolicy, StandingGrant
from deployments.models.backups import Backup, RestorePoint
from deployments.models.instances import InstancesRecord
from deployments.models.logs import LogChunk
from deployments.models.outbox import Happening
from deployments.models.plans import Plan, StateVersion
from deployments.models.runs import Run, RunEvent, RunStep
from deployments.models.workers import Maintenance, WorkerHost

__all__ = [
    "Approval",
    "ApprovalPolicy",
    "Backup",
    "Happening",
    "InstancesRecord",
    "LogChunk",
    "Maintenance",
    "Plan",
    "RestorePoint",
    "Run",
    "RunEvent",
    "RunStep",
    "StandingGrant",
    "StateVersion",
    "WorkerHost",
]
