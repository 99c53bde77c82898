"""moto's server with three repairs.

moto 5.2 gives all RDS instances the same DbiResourceId; the AWS provider reads them by it and finds
two where it wants one, so a second database in an account fails with "couldn't find resource".
It also reads a bucket's policy without its conditions: "nobody without TLS" becomes "nobody". Its
own connections have no TLS; here they count as if they had.
And a group cannot start a machine from a later version of a launch template with user data: its
text is taken as it came, where the first version's is marked as base64.
"""

import secrets
import string
import sys

from moto.core.types import Base64EncodedString
from moto.ec2.models.launch_templates import LaunchTemplateVersion
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.rds import models
from moto.server import main

_made = models.DBInstance.__init__
_judged = IAMPolicyStatement.is_action_permitted


def _with_id(self, *args, **kwargs):
    _made(self, *args, **kwargs)
    letters = string.ascii_uppercase + string.digits
    self.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(26))


def _as_if_encrypted(self, *args, **kwargs):
    if "aws:SecureTransport" in self._statement.get("Condition", {}).get("Bool", {}):
        return PermissionResult.NEUTRAL
    return _judged(self, *args, **kwargs)


def _user_data(self):
    found = self.data.get("UserData")
    return Base64EncodedString(found) if isinstance(found, str) else found


models.DBInstance.__init__ = _with_id
IAMPolicyStatement.is_action_permitted = _as_if_encrypted
LaunchTemplateVersion.user_data = property(_user_data)
main(sys.argv[1:])
