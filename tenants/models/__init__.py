"""What should exist and who may touch it."""

from tenants.models.access import Membership, User
from tenants.models.accounts import CloudAccount, Region
from tenants.models.audit import AuditAnchor, AuditCursor, AuditEntry, AuditSeal
from tenants.models.environments import SharedEnvironment
from tenants.models.hosts import Host
from tenants.models.invitations import Invitation
from tenants.models.releases import ComponentPin, Release
from tenants.models.secrets import Secret
from tenants.models.stacks import Stack
from tenants.models.tenants import Tenant
from tenants.models.tokens import ApiToken, ApiTokenPlace

__all__ = [
    "ApiToken",
    "ApiTokenPlace",
    "AuditAnchor",
    "AuditCursor",
    "AuditEntry",
    "AuditSeal",
    "CloudAccount",
    "ComponentPin",
    "Host",
    "Invitation",
    "Membership",
    "Region",
    "Release",
    "Secret",
    "SharedEnvironment",
    "Stack",
    "Tenant",
    "User",
]
