"""A fact about a site's power, from a moment on."""

from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from accounts.clock import now


class NewVersion(forms.ModelForm[Any]):
    """A row that supersedes an older one, now or later: what was planned and counted until now stays as it was."""

    starts_at = forms.SplitDateTimeField(
        label="Starts at (UTC)",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Empty: at once.",
    )

    def clean_starts_at(self) -> datetime:
        """The given moment, or now; a moment in the past is refused."""
        instant = now()
        starts_at: datetime | None = self.cleaned_data["starts_at"]
        if starts_at and starts_at < instant:
            raise forms.ValidationError(
                f"Choose a start after now ({instant:%Y-%m-%d %H:%M} UTC), or leave it empty for at once."
            )
        return starts_at or instant
