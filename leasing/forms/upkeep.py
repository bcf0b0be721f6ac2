"""What the operator's pages ask of staff."""

from typing import Any

from django import forms

from leasing.models import Maintenance
from leasing.queries.fleet import COUNTS
from marketplace.models import NodeType, Provisioner, Site
from marketplace.states import AFTER_LEASE, NodeState

NOT_LISTED = {"invalid_choice": "“%(value)s” is not in the list. Choose one that is."}
LONGEST_REASON = 200


def moment(label: str, about: str) -> forms.DateTimeField:
    """A moment in UTC, chosen to the minute."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 60}, format="%Y-%m-%dT%H:%M")
    words = {"invalid": "Write it as 2026-03-02T12:00, in UTC."}
    return forms.DateTimeField(label=label, help_text=about, widget=widget, error_messages=words)


class Sure(forms.Form):
    """Nothing but yes."""


class Reason(forms.Form):
    """Why something is done."""

    reason = forms.CharField(
        max_length=LONGEST_REASON, help_text="For other staff: it stays in the node's history. At most 200 characters."
    )


class Drain(Reason):
    """Where a node goes once nobody is on it, and why."""

    to = forms.ChoiceField(
        label="Then it is",
        choices=[(state.value, state.label) for state in AFTER_LEASE],
        widget=forms.RadioSelect,
        initial=NodeState.MAINTENANCE,
    )
    field_order = ("to", "reason")


class Decision(forms.Form):
    """Staff's answer to an order, and words to the customer."""

    answer = forms.ChoiceField(choices=[("approve", "Approve"), ("decline", "Decline")], widget=forms.HiddenInput)
    note = forms.CharField(
        label="Note to the customer",
        required=False,
        max_length=LONGEST_REASON,
        help_text="At most 200 characters. Needed to decline: the customer reads why.",
    )

    def clean(self) -> dict[str, Any]:
        """Nobody is declined without a reason."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if said.get("answer") == "decline" and not said.get("note", "").strip() and "note" not in self.errors:
            self.add_error("note", "Say why you decline: the customer reads it.")
        return said


class PlanWork(forms.ModelForm[Maintenance]):
    """A window of work on a node."""

    kind = forms.ChoiceField(choices=[("", "Choose one"), *Maintenance.Kind.choices])
    starts_at = moment("From (UTC)", "The node must be free from here to the end.")
    ends_at = moment(
        "Until (UTC)", "When you are done earlier, finish it earlier: the rest of the window is free then."
    )

    class Meta:
        model = Maintenance
        fields = ["kind", "starts_at", "ends_at", "reason"]
        labels = {"reason": "What is done, and why"}
        help_texts = {"reason": "The customer whose lease is the last before it reads this. At most 200 characters."}


class NewEnd(forms.Form):
    """Another end of a window."""

    ends_at = moment("Until (UTC)", "As far as nobody has the node.")


class FleetFilter(forms.Form):
    """Which nodes to show. Sent by GET: what is found has an address."""

    q = forms.CharField(
        label="Name, id or address", required=False, widget=forms.TextInput(attrs={"type": "search"}), max_length=80
    )
    site = forms.ModelChoiceField(
        Site.objects.order_by("name"), required=False, to_field_name="slug", empty_label="Any"
    )
    node_type = forms.ModelChoiceField(
        NodeType.objects.order_by("name"), required=False, to_field_name="slug", empty_label="Any"
    )
    state = forms.ChoiceField(required=False, choices=[("", "Any"), *NodeState.choices], error_messages=NOT_LISTED)
    counted = forms.ChoiceField(
        label="Counted as",
        required=False,
        choices=[("", "Anything"), *((name, words) for name, (words, _) in COUNTS.items())],
        error_messages=NOT_LISTED,
    )
    provisioner = forms.ChoiceField(
        label="Machines", required=False, choices=[("", "Any"), *Provisioner.choices], error_messages=NOT_LISTED
    )

    def wanted(self) -> dict[str, Any]:
        """What is asked for, as arguments of `leasing.queries.fleet.fleet`; nothing where the form is not valid."""
        asked = self.cleaned_data if self.is_valid() else {}
        return {name: value for name, value in asked.items() if value not in ("", None)}
