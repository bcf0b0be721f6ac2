"""What the pages of this app ask."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models import Organization, SSHKey
from leasing.forms import POLICIES
from leasing.models import ENVIRONMENT_BYTES, STARTUP_SCRIPT_BYTES, OnFailure
from leasing.operations import BadEnvironment, check_environment
from marketplace.forms import MINUTE, UTC_ONLY, Zoned, moment
from marketplace.models import Image, PlanKind, Terms
from marketplace.money import MICROS_PER_CENT
from marketplace.queries import MOST_NODES, Window

LEAST_DOLLARS, MOST_DOLLARS = 10, 50_000


class Wish(Zoned):
    """How many nodes, and on a plan with windows, for which, on the clocks of a zone."""

    nodes = forms.IntegerField(label="Nodes", min_value=1, max_value=MOST_NODES, initial=1)
    starts_at = moment("From", required=True)
    ends_at = moment("Until", required=True)
    field_order = ("nodes", "zone", "starts_at", "ends_at")

    def __init__(self, data: Any, *, terms: Terms, window: Window, zones: Mapping[str, str] = UTC_ONLY) -> None:
        """`window` is proposed where `data` says nothing; a start at once, where the terms allow it."""
        starts_at = "" if terms.may_start_now else f"{window.starts_at:{MINUTE}}Z"
        proposed = {"nodes": "1", "starts_at": starts_at, "ends_at": f"{window.ends_at:{MINUTE}}Z"}
        asked = {*proposed, "zone", "starts_at_offset", "ends_at_offset"}
        super().__init__(proposed | {name: data[name] for name in asked if data.get(name)}, zones=zones)
        if terms.may_start_now:
            self.fields["starts_at"].required = False
            self.fields["starts_at"].help_text = "Empty: at once."
        if terms.plan.kind == PlanKind.ON_DEMAND:
            self.fields = {"nodes": self.fields["nodes"]}

    def window(self) -> dict[str, Any]:
        """The cleaned wish as a quote takes it."""
        return {name: self.cleaned_data.get(name) for name in ("nodes", "starts_at", "ends_at")}


class KeyChoices(forms.ModelMultipleChoiceField[SSHKey]):
    """SSH keys to tick, each by its name and the end of its fingerprint."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: SSHKey) -> str:
        """Such as "laptop (ssh-ed25519 …9l9GKJl)"."""
        return f"{obj.name} ({obj.algorithm} …{obj.fingerprint[-7:]})"


class Details(forms.Form):
    """Everything about an order that does not change its price."""

    name = forms.CharField(
        label="Name", max_length=80, help_text="For your own lists, such as “fine-tune run 4”.", initial="my lease"
    )
    ssh_keys = KeyChoices(
        label="SSH keys",
        queryset=SSHKey.objects.none(),
        to_field_name="public_id",
        help_text="Who may log in.",
        error_messages={"required": "Choose at least one key: without one nobody could log in."},
    )
    image = forms.ModelChoiceField(label="Image", queryset=Image.objects.all(), to_field_name="slug", empty_label=None)
    startup_script = forms.CharField(
        label="Startup script",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "placeholder": "#!/bin/sh"}),
        help_text="Runs once as root when the node is ready. 16 KiB at most.",
    )
    environment = forms.CharField(
        label="Environment variables and secrets",
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off", "placeholder": "HF_TOKEN=hf_…"}
        ),
        help_text=f"One NAME=value on each line, {ENVIRONMENT_BYTES // 1024} KiB at most. Set for logins and for the "
        "startup script. Values are stored encrypted and never shown again, to anybody.",
    )
    on_failure = forms.ChoiceField(
        label="If a node fails",
        choices=POLICIES,
        initial=OnFailure.ASK,
        required=False,
        widget=forms.RadioSelect,
        help_text="While a node is down nothing is charged for it. You can change this later.",
    )

    def __init__(self, data: Any, *, organization: Organization) -> None:
        """Offers the organization's keys, all of them chosen."""
        super().__init__(data)
        keys = SSHKey.objects.filter(organization=organization).order_by("created_at")
        field = self.fields["ssh_keys"]
        assert isinstance(field, KeyChoices)
        field.queryset = keys
        field.initial = [key.public_id for key in keys]

    def clean_startup_script(self) -> str:
        """With the line ends of the machine that runs it, not of the browser."""
        text = str(self.cleaned_data["startup_script"]).replace("\r\n", "\n")
        size = len(text.encode())
        if size > STARTUP_SCRIPT_BYTES:
            raise forms.ValidationError(f"At most {STARTUP_SCRIPT_BYTES} bytes, not {size}. Let it fetch more.")
        return text

    def clean_on_failure(self) -> str:
        """Asking is the choice of who makes none."""
        return self.cleaned_data["on_failure"] or OnFailure.ASK

    def clean_environment(self) -> dict[str, str]:
        """The lines as variables. What is wrong is said by line and name: a value is nobody's to read."""
        variables: dict[str, str] = {}
        for number, line in enumerate(str(self.cleaned_data["environment"]).splitlines(), start=1):
            name, given, value = line.partition("=")
            name = name.strip()
            if not line.strip():
                continue
            if not given:
                raise forms.ValidationError(f"Line {number} has no “=”. Write NAME=value.")
            if name in variables:
                raise forms.ValidationError(f"Line {number} sets {name[:40]} a second time. Keep one of them.")
            variables[name] = value
        try:
            check_environment(variables)
        except BadEnvironment as error:
            raise forms.ValidationError(str(error)) from error
        return variables


def dollars(label: str, **limits: Any) -> forms.DecimalField:
    """An amount in dollars and cents."""
    widget = forms.NumberInput(attrs={"inputmode": "decimal", "step": "0.01"})
    return forms.DecimalField(label=label, decimal_places=2, widget=widget, **limits)


class TopUp(forms.Form):
    """How much to pay in."""

    amount = dollars(
        "Amount",
        min_value=LEAST_DOLLARS,
        max_value=MOST_DOLLARS,
        initial=100,
        help_text="From $10 to $50,000. You pay by card on the next page.",
    )

    def cents(self) -> int:
        """The amount in cents."""
        return int(self.cleaned_data["amount"] * 100)


class NewRefund(forms.Form):
    """How much to pay back."""

    amount = dollars("Amount", min_value=0.01)

    def cents(self) -> int:
        """The amount in cents."""
        return int(self.cleaned_data["amount"] * 100)


def cents_to_ask(missing_micros: int) -> int:
    """The least top-up, in whole dollars, that covers what is missing; in cents."""
    per_dollar = MICROS_PER_CENT * 100
    return max(LEAST_DOLLARS, -(-missing_micros // per_dollar)) * 100
