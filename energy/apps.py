"""Django's registration of the app."""

from django.apps import AppConfig


class EnergyConfig(AppConfig):
    """The `energy` app."""

    name = "energy"
    default_auto_field = "django.db.models.BigAutoField"
