"""Where a site's battery answers."""

from typing import Any

from django import forms
from django.conf import settings

from energy.batteries import allowed
from energy.models import Battery, Inverter


class BatteryDriver(forms.ModelForm[Any]):
    """Its driver and address. Nothing is asked of it here: a worker inside the site looks at it soon."""

    class Meta:
        model = Inverter
        fields = ("site", "dialect", "address", "port", "unit", "controlled")

    def clean_address(self) -> str:
        """Only in the networks that batteries are in."""
        address: str = self.cleaned_data["address"]
        if not allowed(address):
            networks = ", ".join(settings.BATTERY_NETWORKS)
            raise forms.ValidationError(f"Use an address in the networks of batteries (BATTERY_NETWORKS): {networks}.")
        return address

    def clean(self) -> dict[str, Any]:
        """A driver needs a battery whose power and energy are on file: commands are bounded by them."""
        given: dict[str, Any] = super().clean() or {}
        site = given.get("site") or self.instance.site_id
        if site and not Battery.objects.filter(site=site).exists():
            self.add_error(None, "The site has no battery on file: add its power and energy under Batteries first.")
        return given
