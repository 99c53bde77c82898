"""The API as a Django app."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The API; it has no models."""

    name = "api"
