"""moto's server with one repair: every RDS instance gets an id of its own.

moto 5.2 gives all instances the same DbiResourceId; the AWS provider reads them by it and finds
two where it wants one, so a second database in an account fails with "couldn't find resource".
"""

import secrets
import string
import sys

from moto.rds import models
from moto.server import main

_made = models.DBInstance.__init__


def _with_id(self, *args, **kwargs):
    _made(self, *args, **kwargs)
    letters = string.ascii_uppercase + string.digits
    self.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(26))


models.DBInstance.__init__ = _with_id
main(sys.argv[1:])
