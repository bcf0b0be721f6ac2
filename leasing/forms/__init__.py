"""What pages of this app ask for."""

from typing import Any

from django import forms

from accounts.models import SSHKey
from leasing.models import PROJECT_WORDS, Lease, OnFailure

POLICIES = [(policy.value, f"{policy.label[:1].upper()}{policy.label[1:]}") for policy in OnFailure]


class NewName(forms.ModelForm[Lease]):
    """Another name for a lease, and the project that it counts for."""

    class Meta:
        model = Lease
        fields = ["name", "project"]
        help_texts = {
            "name": "For your own lists, such as “fine-tune run 4”. Nothing depends on it.",
            "project": f"A tag of your own, to find and sum up leases by. {PROJECT_WORDS}",
        }


class AnotherKey(forms.Form):
    """One more key for a lease."""

    ssh_key = forms.ModelChoiceField(
        label="Add a key",
        queryset=SSHKey.objects.none(),
        to_field_name="public_id",
        empty_label=None,
        error_messages={"invalid_choice": "Choose one of your SSH keys that the lease does not admit yet."},
    )

    def __init__(self, data: Any, *, lease: Lease) -> None:
        """Offers the organization's keys that the lease does not admit yet."""
        super().__init__(data)
        field = self.fields["ssh_key"]
        assert isinstance(field, forms.ModelChoiceField)
        mine = SSHKey.objects.filter(organization=lease.organization_id).order_by("created_at")
        field.queryset = mine.exclude(fingerprint__in=lease.keys.values("fingerprint"))


class Policy(forms.Form):
    """What to do when a node fails."""

    on_failure = forms.ChoiceField(
        label="If a node fails",
        choices=POLICIES,
        widget=forms.RadioSelect,
        help_text="While a node is down nothing is charged for it.",
    )
