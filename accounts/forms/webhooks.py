"""What the pages of webhooks ask."""

from typing import Any

from django import forms

from accounts.models import WebhookEndpoint
from accounts.webhooks.kinds import FAMILIES


class NewEndpoint(forms.Form):
    """An address to tell of events."""

    url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="Begins with https://. We send a POST with JSON there for each event, and follow no redirects.",
        widget=forms.URLInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )
    description = forms.CharField(
        max_length=200, required=False, help_text="What receives it, such as “job scheduler”."
    )
    families = forms.MultipleChoiceField(
        label="Tell it of",
        required=False,
        choices=[(f"{family}.*", words) for family, words in FAMILIES.items()],
        help_text="Choose none, here and below, to tell it of everything.",
        widget=forms.CheckboxSelectMultiple,
    )
    single = forms.CharField(
        label="Single kinds of event",
        required=False,
        max_length=2000,
        help_text="As your activity shows them, such as lease.interrupt_scheduled; with spaces between.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "class": "mono"}),
    )

    def kinds(self) -> list[str]:
        """All that was chosen."""
        return [*self.cleaned_data["families"], *self.cleaned_data["single"].replace(",", " ").split()]

    def refuse(self, field: str, message: str) -> None:
        """Show what cannot be, beside the input at fault."""
        shown = {"kinds": "single"}.get(field, field)
        self.add_error(shown if shown in self.fields else None, message)


class ChangeEndpoint(NewEndpoint):
    """The same, of an endpoint that is there, and whether it is told at all."""

    enabled = forms.BooleanField(
        label="Switched on",
        required=False,
        help_text="While it is off nothing is sent, and what was pending fails. What failed can be sent again.",
    )

    def __init__(self, data: Any, *, endpoint: WebhookEndpoint) -> None:
        present = {
            "url": endpoint.url,
            "description": endpoint.description,
            "families": [kind for kind in endpoint.kinds if kind.endswith(".*")],
            "single": " ".join(kind for kind in endpoint.kinds if not kind.endswith(".*")),
            "enabled": endpoint.enabled,
        }
        super().__init__(data, initial=present)
