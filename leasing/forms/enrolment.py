"""A host to enrol, as a person fills it in or a line of a file says it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms

from leasing.models import Enrolment
from leasing.operations.enrolment import Asked, BadEnrolment, request
from marketplace.models import OFFERED_PROVISIONERS, NodeType, Plan, Provisioner, Site
from marketplace.money import MICROS

FIELDS = {"micros_per_node_hour": "dollars"}  # where the operation's name of a field is another
KINDS = [(kind, Provisioner(kind).label) for kind in OFFERED_PROVISIONERS]


class BySlug(forms.ModelChoiceField[Any]):
    """A row by its slug; an error names those that there are."""

    def to_python(self, value: Any) -> Any:
        """
        The row, or None for an empty value.

        :raises ValidationError: if there is none
        """
        try:
            return super().to_python(value)
        except forms.ValidationError as error:
            known = ", ".join(self.queryset.order_by("slug").values_list("slug", flat=True)) if self.queryset else ""
            raise forms.ValidationError(f"There is no “{value}”. There are: {known or 'none'}.") from error


class NewEnrolment(forms.Form):
    """A host's address, the way in for the first time, and how it is to be sold."""

    use_required_attribute = False  # a browser would ask for the address of a simulated node, which has none

    site = BySlug(
        Site.objects.order_by("name"),
        to_field_name="slug",
        empty_label="Choose one",
        help_text="Its worker must reach the host.",
    )
    name = forms.CharField(
        label="Node's name",
        max_length=60,
        help_text="Lower-case letters, digits, dots and hyphens, such as macon-h100x8-9001.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}),
    )
    provisioner = forms.ChoiceField(label="Kind of host", choices=KINDS, initial=Provisioner.PODMAN)
    address = forms.CharField(
        max_length=255,
        help_text="IP address or host name. A simulated node has none.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}),
    )
    port = forms.IntegerField(label="SSH port", initial=22, min_value=1, max_value=65535, required=False)
    user = forms.CharField(
        label="User",
        initial="root",
        max_length=32,
        required=False,
        help_text="Must be allowed to run podman as root.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}),
    )
    password = forms.CharField(
        label="Password for the first login",
        required=False,
        strip=False,
        max_length=255,
        help_text="Forgotten as soon as the operator's key is admitted. Leave it empty where that is so already.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    private_key = forms.CharField(
        label="or private key for the first login",
        required=False,
        max_length=20_000,
        help_text="The whole file, without a passphrase. It is forgotten just as soon.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono", "autocomplete": "off"}),
    )
    fingerprint = forms.CharField(
        label="Fingerprint of its host key",
        required=False,
        max_length=80,
        help_text="SHA256:…, as “ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub” prints it on the host. With it, "
        "your password is sent to nothing else; without it, the first host that answers is believed.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "class": "mono", "autocomplete": "off"}),
    )
    node_type = BySlug(
        NodeType.objects.order_by("name"),
        to_field_name="slug",
        required=False,
        empty_label="Whatever it turns out to be",
        help_text="Another host than this type is refused, with every difference.",
    )
    plan = BySlug(Plan.objects.all(), to_field_name="slug", empty_label=None, help_text="On which it is offered first.")
    dollars = forms.DecimalField(
        label="US dollars per node-hour",
        required=False,
        min_value=0,
        max_value=10_000,
        decimal_places=6,
        help_text="Empty: the price that nodes like it have at the site already.",
    )
    bmc_address = forms.CharField(
        label="Redfish address of its BMC",
        required=False,
        max_length=255,
        help_text="Such as https://10.4.1.17; for power and resets.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}),
    )
    bmc_user = forms.CharField(label="BMC user", required=False, max_length=64)
    bmc_password = forms.CharField(
        label="BMC password",
        required=False,
        strip=False,
        max_length=255,
        help_text="Kept, sealed.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["address"].required = self["provisioner"].value() != Provisioner.SANDBOX

    def clean_port(self) -> int:
        """22 for none."""
        return int(self.cleaned_data["port"] or 22)

    def clean_user(self) -> str:
        """Root for none."""
        return str(self.cleaned_data["user"] or "root")

    @property
    def asked(self) -> Asked:
        """What was filled in, once it is valid."""
        given: dict[str, Any] = dict(self.cleaned_data)
        dollars: Decimal | None = given.pop("dollars")
        return Asked(**given, micros_per_node_hour=None if dollars is None else int(dollars * MICROS))

    def request(self, *, actor: str, now: datetime) -> Enrolment | None:
        """The enrolment; None, with the error beside its field, if it cannot be."""
        if not self.is_valid():
            return None
        try:
            return request(asked=self.asked, actor=actor, now=now)
        except BadEnrolment as error:
            self.add_error(FIELDS.get(error.field, error.field), error.message)
            return None
