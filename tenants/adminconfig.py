"""Tells Django which admin site is ours. No models may be imported here: apps load from it."""

from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Django's admin with the portal's roles at its door."""

    default_site = "tenants.adminsite.PortalAdminSite"
