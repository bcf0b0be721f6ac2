"""What the pages of this app ask."""

from datetime import datetime, timedelta
from typing import Any

from allauth.account.forms import SignupForm
from django import forms
from django.db import transaction
from django.http import HttpRequest

from accounts.access import ACTIONS, Principal, may
from accounts.clock import now
from accounts.models import Organization, User, time_zones
from accounts.operations import LONGEST_NAME, create_organization

ACTION_WORDS = {
    "lease:read": "See offers, leases and SSH keys",
    "lease:write": "Lease, change and return nodes; add SSH keys",
    "money:read": "See the wallet, usage and invoices",
    "money:write": "Top up the wallet and ask for refunds",
    "org:read": "See members, tokens and activity",
    "org:write": "Manage members, tokens and the organization",
}
LIVES = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "365 days")]


def time_zone_choices() -> list[tuple[str, str]]:
    """Every time zone, UTC first."""
    return [(name, name.replace("_", " ")) for name in sorted(time_zones(), key=lambda name: (name != "UTC", name))]


class SignUp(SignupForm):  # type: ignore[misc]
    """Sign-up: a person and their company at once."""

    field_order = ("organization", "name", "email", "password1", "time_zone")

    organization = forms.CharField(
        label="Company",
        max_length=120,
        help_text="The organization that leases and pays. You can change the name later.",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    name = forms.CharField(label="Your name", max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    time_zone = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"data-browser-time-zone": ""}))

    def clean_time_zone(self) -> str:
        """The browser's zone, or UTC where it names none that is known: nobody can mend a hidden field."""
        name = str(self.cleaned_data["time_zone"])
        return name if name in time_zones() else "UTC"

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        """The person and the organization, or neither."""
        user = super().save(request)
        assert isinstance(user, User)
        return user

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth once the person is saved."""
        user.name, user.time_zone = self.cleaned_data["name"], self.cleaned_data["time_zone"]
        user.save(update_fields=["name", "time_zone"])
        create_organization(name=self.cleaned_data["organization"], owner=user, now=now())


class NewOrganization(forms.Form):
    """An organization for somebody who belongs to none."""

    name = forms.CharField(label="Company", max_length=120, help_text="The organization that leases and pays.")


class ChangeOrganization(forms.ModelForm[Organization]):
    """An organization's name, and how long its data outlives an unpaid lease."""

    class Meta:
        model = Organization
        fields = ["name", "data_retention_hours"]
        labels = {"name": "Name", "data_retention_hours": "Keep data after a lease ended for lack of money"}
        help_texts = {"data_retention_hours": "0 to 720 hours; then the node is wiped."}


class ChangeUser(forms.ModelForm[User]):
    """A person's name and time zone."""

    time_zone = forms.ChoiceField(
        choices=time_zone_choices, help_text="Times are shown in this zone; bills and logs are in UTC."
    )

    class Meta:
        model = User
        fields = ["name", "time_zone"]


class NewSSHKey(forms.Form):
    """A public key to add."""

    name = forms.CharField(max_length=LONGEST_NAME, help_text="To recognize it by, such as “laptop” or “build server”.")
    public_key = forms.CharField(
        label="Public key",
        help_text="One line from a file that ends in .pub, such as ~/.ssh/id_ed25519.pub. Never the private key.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"}),
    )


class NewToken(forms.Form):
    """An API token to make."""

    name = forms.CharField(max_length=LONGEST_NAME, help_text="What will use it, such as “training script”.")
    scopes = forms.MultipleChoiceField(label="It may", widget=forms.CheckboxSelectMultiple)
    days = forms.TypedChoiceField(label="Expires after", choices=LIVES, coerce=int, initial=90)

    def __init__(self, *args: Any, principal: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        scopes.choices = [(action, ACTION_WORDS[action]) for action in ACTIONS if may(principal, action)]

    def expires_at(self, moment: datetime) -> datetime:
        """When a token made at `moment` stops working."""
        return moment + timedelta(days=self.cleaned_data["days"])
