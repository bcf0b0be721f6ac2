"""What the tax office wants to know."""

from typing import Any

from django import forms
from django.forms import model_to_dict

from billing.models import AddressState, TaxIdKind, TaxProfile

NOT_FOUND = "This address was not found, so no tax can be worked out for it. Correct it, most likely the postal code."


class TaxDeclaration(forms.Form):
    """Who the organization is, and where. An address that was not found says so, beside its first line."""

    legal_name = forms.CharField(label="Legal name", max_length=120)
    line1 = forms.CharField(label="Street and number", max_length=120)
    line2 = forms.CharField(label="Address, second line", max_length=120, required=False)
    city = forms.CharField(label="Town", max_length=80)
    region = forms.CharField(
        label="State or province", max_length=40, required=False, help_text="In the US the two letters of the state."
    )
    postal_code = forms.CharField(label="Postal code", max_length=20, required=False)
    country = forms.CharField(label="Country", max_length=2, help_text="Two letters, such as US or DE.")
    tax_id_kind = forms.ChoiceField(label="Kind of tax id", choices=[("", "none"), *TaxIdKind.choices], required=False)
    tax_id = forms.CharField(
        label="Tax id", max_length=40, required=False, help_text="It is checked with its register, which takes minutes."
    )

    def __init__(self, data: Any, *, profile: TaxProfile | None, name: str) -> None:
        """Shows the profile in force, or the organization's name."""
        super().__init__(data, initial=model_to_dict(profile) if profile else {"legal_name": name})
        if profile and profile.address_state == AddressState.UNLOCATED:
            self.fields["line1"].help_text = NOT_FOUND
