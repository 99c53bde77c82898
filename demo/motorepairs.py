"""Repairs of moto 5.2, for the simulated account of the demo and of the tests."""

import secrets
import string
from typing import Any


def repair() -> None:
    """Make moto do what the AWS provider and the portal count on.

    It reads settings once, when it is imported: call this when they are set.
    """
    _give_databases_ids()
    _let_policies_see_tls()
    _read_user_data()


def _give_databases_ids() -> None:
    """All RDS instances have one DbiResourceId, by which the provider reads them.

    With two databases in an account it would find both where it wants one.
    """
    from moto.rds.models import DBInstance

    plain = DBInstance.__init__

    def with_id(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        letters = string.ascii_uppercase + string.digits
        self.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(26))

    DBInstance.__init__ = with_id


def _let_policies_see_tls() -> None:
    """A bucket's policy is read without its conditions: "nobody without TLS" becomes "nobody".

    Connections to the simulation have no TLS; here they count as if they had.
    """
    from moto.iam.access_control import IAMPolicyStatement, PermissionResult

    plain = IAMPolicyStatement.is_action_permitted

    def as_if_encrypted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if "aws:SecureTransport" in self._statement.get("Condition", {}).get("Bool", {}):
            return PermissionResult.NEUTRAL
        return plain(self, *args, **kwargs)

    IAMPolicyStatement.is_action_permitted = as_if_encrypted


def _read_user_data() -> None:
    """A group starts no machine from a later version of a launch template with user data.

    Its text is taken as it came, where the first version's is marked as base64.
    """
    from moto.core.types import Base64EncodedString
    from moto.ec2.models.launch_templates import LaunchTemplateVersion

    def user_data(self: Any) -> Any:
        found = self.data.get("UserData")
        return Base64EncodedString(found) if isinstance(found, str) else found

    LaunchTemplateVersion.user_data = property(user_data)
