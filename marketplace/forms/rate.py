"""A price, set by staff."""

from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSplitDateTimeWidget

from accounts.clock import now
from marketplace.models import Rate
from marketplace.money import MICROS


class NewRate(forms.ModelForm[Rate]):
    """A rate to add, in dollars. It begins now or later: what was charged until now stays as it was."""

    dollars = forms.DecimalField(
        label="US dollars per node-hour",
        min_value=0,
        max_value=10_000,
        decimal_places=6,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Up to six decimals: micro-dollars.",
    )
    starts_at = forms.SplitDateTimeField(
        label="Starts at (UTC)",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Empty: at once. Leases and quotes made before keep their rate.",
    )

    class Meta:
        model = Rate
        fields = ("offer", "organization", "starts_at")
        help_texts = {"organization": "Empty: for all. Else for this customer only, before the price for all."}

    def clean_starts_at(self) -> datetime:
        """The given moment, or now; a moment in the past is refused."""
        instant = now()
        starts_at: datetime | None = self.cleaned_data["starts_at"]
        if starts_at and starts_at < instant:
            limit = f"Choose a start after now ({instant:%Y-%m-%d %H:%M} UTC), or leave it empty for at once."
            raise forms.ValidationError(limit)
        return starts_at or instant

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """The rate, in micro-dollars."""
        self.instance.micros_per_node_hour = int(self.cleaned_data["dollars"] * MICROS)
        return super().save(commit)
