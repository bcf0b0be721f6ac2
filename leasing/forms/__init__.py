"""What pages of this app ask for."""

from django import forms

from leasing.models import Lease


class NewName(forms.ModelForm[Lease]):
    """Another name for a lease."""

    class Meta:
        model = Lease
        fields = ["name"]
        help_texts = {"name": "For your own lists, such as “fine-tune run 4”. Nothing depends on it."}
