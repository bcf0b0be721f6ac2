"""Terms, announced by staff."""

from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from accounts.clock import now
from marketplace.models import ANNOUNCED_AHEAD, Terms
from marketplace.operations import TermsRefused, refuse_short_notice


class NewTerms(forms.ModelForm[Terms]):
    """Terms to announce. They begin 7 days from now or later; a plan's first ones may begin at once."""

    starts_at = forms.SplitDateTimeField(
        label="Starts at (UTC)",
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=f"At least {ANNOUNCED_AHEAD.days} days ahead. Leases keep the terms that they were ordered on.",
    )

    class Meta:
        model = Terms
        fields = tuple(field.name for field in Terms._meta.fields if field.name not in {"id", "announced_at"})

    def clean(self) -> dict[str, Any]:
        """The start, which depends on the plan; and when it is announced: now."""
        cleaned = super().clean() or {}
        self.instance.announced_at = instant = now()
        starts_at: datetime | None = cleaned.get("starts_at")
        if starts_at and cleaned.get("plan"):
            try:
                refuse_short_notice(plan=cleaned["plan"], starts_at=starts_at, now=instant)
            except TermsRefused as refusal:
                self.add_error(refusal.field, refusal.message)
        return cleaned

    def columns(self) -> dict[str, Any]:
        """What the terms say, besides their plan and start. Call after `is_valid`."""
        return {name: value for name, value in self.cleaned_data.items() if name not in {"plan", "starts_at"}}
