"""The form of the earliest start: where, how many nodes, for how long, and between which moments."""

from datetime import datetime, timedelta
from typing import Any

from django import forms

from marketplace.forms.moments import moment
from marketplace.forms.search import CatalogueFilter, limits
from marketplace.queries import BadPeriod, OpeningSort, reach_of

MOST_HOURS = 8760  # a year
HOURS_WORDS = f"Choose a whole number of hours from 1 to {MOST_HOURS:,}, which is a year."


class Finder(CatalogueFilter):
    """As the catalogue's filters, with a length in place of an end."""

    FIRST = ("nodes", "hours", "gpu_model", "gpus", "region", "sort", "starts_at", "until", "zone")
    MORE = ("plan", "gpu_memory_gb", "site", "max_price", "renewable_share", "provisioner", "same_fabric")
    MOMENTS = ("starts_at", "until")

    hours = forms.IntegerField(
        label="Hours", required=False, min_value=1, max_value=MOST_HOURS, error_messages=limits(HOURS_WORDS)
    )
    starts_at = moment("Not before")
    until = moment("Over by")
    sort = forms.ChoiceField(label="Sort by", required=False, choices=OpeningSort.choices)
    ends_at = None  # type: ignore[assignment]  # hours say it
    over_by: datetime  # by when the period is over; there once the form is valid

    def clean(self) -> dict[str, Any]:
        """The fields together: moments between which there is room."""
        cleaned = super().clean()
        if not self.errors:
            try:
                self.over_by = reach_of(
                    starts_at=cleaned.get("starts_at"), until=cleaned.get("until"), length=self.length, now=self.now
                )
            except BadPeriod as error:
                self.add_error(error.field, error.message)
        return cleaned

    @property
    def length(self) -> timedelta:
        """For how long; a day where nothing is said."""
        return timedelta(hours=self.cleaned_data.get("hours") or 24)
