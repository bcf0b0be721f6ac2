"""What the tax office wants to know."""

from django import forms

from billing.models import TaxIdKind


class TaxDeclaration(forms.Form):
    """Who the organization is, and where."""

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
