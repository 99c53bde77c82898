# Run by the application's own shell. Stdin: when (always, fresh) and the password, a line each.
import sys

from django.contrib.auth import get_user_model

when, password = sys.stdin.read().split("\n")[:2]
admin = get_user_model().objects.get(username="admin")
if when == "fresh" and admin.last_login is not None:
    print("omlsaas: the administrator has signed in before, the password stays")
else:
    admin.set_password(password)
    admin.save()
    print("omlsaas: the administrator's password was set")
