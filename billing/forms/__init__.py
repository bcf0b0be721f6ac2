"""What the pages of this app ask."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django import forms

from accounts.models import Organization, SSHKey
from billing.models import Mode
from billing.waiting import PRICE_NEEDED
from leasing.forms import POLICIES
from leasing.models import (
    ENVIRONMENT_BYTES,
    PROJECT,
    PROJECT_LENGTH,
    PROJECT_WORDS,
    STARTUP_SCRIPT_BYTES,
    OnFailure,
)
from leasing.operations import BadEnvironment, check_environment
from marketplace.forms import MINUTE, UTC_ONLY, CatalogueFilter, Zoned, moment, on_its_clocks
from marketplace.models import Image, Plan, Terms
from marketplace.money import MICROS, SECONDS_PER_HOUR
from marketplace.queries import MOST_NODES, NODES_WORDS, Window


def utc_moment(label: str, **options: Any) -> forms.DateTimeField:
    """A moment in UTC, chosen to the minute: what staff enter."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 60}, format=MINUTE)
    words = {"invalid": "Write it as 2026-03-02T12:00, in UTC."}
    return forms.DateTimeField(label=label, widget=widget, error_messages=words, **options)


class Wish(Zoned):
    """How many nodes, and on a plan with windows, for which, on the clocks of a zone."""

    nodes = forms.IntegerField(
        label="Nodes",
        min_value=1,
        max_value=MOST_NODES,
        initial=1,
        help_text="Several: all of them or none, at one site, and they reach each other by name.",
        error_messages=NODES_WORDS,
    )
    same_fabric = forms.BooleanField(
        label="In one fabric group",
        required=False,
        help_text="All nodes on one fast network, or no order. For more than one node.",
    )
    starts_at = moment("From", required=True)
    ends_at = moment("Until", required=True)
    field_order = ("nodes", "same_fabric", "zone", "starts_at", "ends_at")

    def __init__(
        self,
        data: Any,
        *,
        terms: Terms,
        window: Window,
        zones: Mapping[str, str] = UTC_ONLY,
        grouped: bool = False,
    ) -> None:
        """
        `window` is proposed where `data` says nothing; a start at once, where the terms allow it. A fabric group is
        offered where nodes are `grouped`.
        """
        starts_at = "" if terms.may_start_now else f"{window.starts_at:{MINUTE}}Z"
        proposed = {"nodes": "1", "starts_at": starts_at, "ends_at": f"{window.ends_at:{MINUTE}}Z"}
        asked = {*proposed, "zone", "starts_at_offset", "ends_at_offset", "same_fabric"}
        super().__init__(proposed | {name: data[name] for name in asked if data.get(name)}, zones=zones)
        if terms.may_start_now:
            self.fields["starts_at"].required = False
            self.fields["starts_at"].help_text = "Empty: at once."
        if terms.plan.open_ended:
            kept = ("nodes", "same_fabric")
            self.fields = {name: field for name, field in self.fields.items() if name in kept}
        if not grouped:
            del self.fields["same_fabric"]

    def window(self) -> dict[str, Any]:
        """The cleaned wish as a quote takes it."""
        said = {name: self.cleaned_data.get(name) for name in ("nodes", "starts_at", "ends_at")}
        return {"same_fabric": self.cleaned_data.get("same_fabric", False), **said}


class NewEnd(Zoned):
    """Until when a lease shall go on; and the price that was shown for it, which is charged or nothing is."""

    MOMENTS = ("ends_at",)

    ends_at = moment("Until", required=True)
    shown_micros = forms.IntegerField(required=False, widget=forms.HiddenInput)


class AutoExtension(forms.Form):
    """By how much a lease extends itself, and up to which price."""

    hours = forms.IntegerField(
        label="By how many hours", min_value=1, help_text="Each time, an hour before the last moment for it."
    )
    most = forms.DecimalField(
        label="While a node-hour costs at most, in dollars",
        min_value=0,
        max_value=1_000_000,
        decimal_places=6,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any"}),
        help_text="At a higher price, or without the money for it in your wallet, it ends, and we tell you before.",
    )

    def seconds(self) -> int:
        """The step."""
        return int(self.cleaned_data["hours"] * SECONDS_PER_HOUR)

    def max_micros(self) -> int:
        """The ceiling."""
        return int(self.cleaned_data["most"] * MICROS)


class EarlierEnd(Zoned):
    """When a lease is to end."""

    MOMENTS = ("ends_at",)

    ends_at = moment("End", required=True)

    def __init__(self, data: Any, *, first: datetime, zones: Mapping[str, str] = UTC_ONLY) -> None:
        """`first` is the first end that the lease's terms allow; it is proposed."""
        super().__init__(data, zones=zones)
        proposed = first.astimezone(self.chosen)
        self.initial = {"zone": self.chosen.key, "ends_at": proposed.replace(tzinfo=None)}
        said = f"{proposed:%-d %b %Y, %H:%M} ({self.chosen.key})".replace(" ", "\N{NO-BREAK SPACE}")
        self.fields["ends_at"].help_text = f"From {said} on, at the times that its terms allow."


class KeyChoices(forms.ModelMultipleChoiceField[SSHKey]):
    """SSH keys to tick, each by its name and the end of its fingerprint."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: SSHKey) -> str:
        """Such as "laptop (ssh-ed25519 …9l9GKJl)"."""
        return f"{obj.name} ({obj.algorithm} …{obj.fingerprint[-7:]})"


class Details(forms.Form):
    """Everything about an order that does not change its price."""

    name = forms.CharField(
        label="Name",
        max_length=80,
        help_text="For your own lists, such as “fine-tune run 4”. The names of the machines begin like it.",
    )
    project = forms.RegexField(
        PROJECT,
        label="Project",
        max_length=PROJECT_LENGTH,
        required=False,
        strip=True,
        error_messages={"invalid": PROJECT_WORDS},
        help_text=f"A tag of your own, to find and sum up leases by. {PROJECT_WORDS}",
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

    def __init__(self, data: Any, *, organization: Organization, now: datetime) -> None:
        """
        Offers the organization's keys, all of them chosen, and a name by the second: two leases of one name would share
        the names of their machines, and a file for SSH would lead to the first.
        """
        super().__init__(data, initial={"name": f"lease-{now:%Y%m%d-%H%M%S}"})
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


class NewStandingOrder(CatalogueFilter):
    """
    Which nodes to wait for, for how long a lease, and until when, on the clocks of a zone. What their lease needs is in
    `Details`.
    """

    MOMENTS = ("earliest_at", "latest_at", "expires_at")

    use_required_attribute = False  # a browser would ask for the price though only a mail is wanted
    CRITERIA = ("gpu_model", "gpus", "region", "site", "plan", "gpu_memory_gb", "renewable_share", "provisioner")

    mode = forms.ChoiceField(
        label="When they are free",
        choices=[(mode.value, mode.label.capitalize()) for mode in Mode],
        widget=forms.RadioSelect,
    )
    length_hours = forms.IntegerField(
        label="Hours",
        required=False,
        min_value=1,
        max_value=366 * 24,
        help_text="How long the lease lasts; one that starts at once, until its plan's next end after that. Empty: on "
        "demand, until you give it back.",
    )
    accepts_surplus = forms.BooleanField(
        label="A surplus lease will do, too",
        required=False,
        help_text="Cheaper, and paused for a while after its notice when the site runs short of power. Not with hours.",
    )
    earliest_at = moment("Not before")
    latest_at = moment("Over by", help_text="When a lease with hours has to be over.")
    expires_at = moment("Wait until", help_text="Empty: as long as it could start, or 30 days.")

    def __init__(
        self,
        data: Any,
        *,
        initial: Mapping[str, Any],
        now: datetime,
        plans: Iterable[Plan],
        zones: Mapping[str, str] = UTC_ONLY,
    ) -> None:
        """`initial`: as the catalogue's filters say it, times in UTC; they are shown on the form's clocks."""
        super().__init__(data, now=now, plans=plans, zones=zones)
        shown = on_its_clocks({"nodes": 1, "mode": Mode.BOOK, **initial, "zone": ""}, self.MOMENTS, self.chosen)
        self.initial = shown | {"zone": self.chosen.key}
        for name in ("sort", "starts_at", "ends_at"):
            del self.fields[name]
        for field in self.fields.values():
            field.widget.attrs.pop("aria-describedby", None)  # as these pages' fields say it
        price = self.fields["max_price"]
        price.help_text = "US dollars per hour. Needed to have them booked for you: nothing dearer is."
        price.error_messages["required"] = PRICE_NEEDED
        price.required = (self.data or self.initial).get("mode") != Mode.TELL

    @property
    def which(self) -> list[forms.BoundField]:
        """The fields that say which nodes."""
        return [self[name] for name in ("nodes", *self.CRITERIA, "max_price")]

    @property
    def when(self) -> list[forms.BoundField]:
        """Those that say for when; the zone where there is one to choose."""
        names = ("length_hours", "zone", *self.MOMENTS)
        return [self[name] for name in names if not self[name].is_hidden]

    def wanted(self) -> dict[str, Any]:
        """The cleaned wish as the line takes it."""
        cleaned = self.cleaned_data
        hours = cleaned["length_hours"]
        return {
            "mode": cleaned["mode"],
            "nodes": cleaned["nodes"] or 1,
            "same_fabric": cleaned["same_fabric"],
            "criteria": {name: cleaned[name] for name in self.CRITERIA if cleaned[name] not in ("", None)},
            "length_seconds": hours * SECONDS_PER_HOUR if hours else None,
            "max_micros_per_node_hour": cleaned.get("max_micros_per_node_hour"),
            "accepts_surplus": cleaned["accepts_surplus"],
            **{name: cleaned[name] for name in ("earliest_at", "latest_at", "expires_at")},
        }

    def refuse(self, field: str, message: str) -> None:
        """Put a refusal beside the field that it is about."""
        ours = {"length_seconds": "length_hours", "max_micros_per_node_hour": "max_price"}.get(field, field)
        self.add_error(ours if ours in self.fields else None, message)
