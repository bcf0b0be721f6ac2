"""Django's registration of the app."""

from django.apps import AppConfig


class LeasingConfig(AppConfig):
    """The `leasing` app."""

    name = "leasing"
    default_auto_field = "django.db.models.BigAutoField"
