#!/usr/bin/env python3
"""Django's command line for omlsaas."""

import os
import sys


def main() -> None:
    """Run a management command with the portal's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omlsaas.settings")
    try:
        from django.core.management import execute_from_command_line

        import omlsaas.celery  # noqa: F401  (the doorbell rings through this application)
    except ImportError as error:
        raise SystemExit(f"{error}: use .venv/bin/python manage.py") from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
