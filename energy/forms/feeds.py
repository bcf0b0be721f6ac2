"""What staff tells a feed: one value, or a file of them."""

from datetime import datetime
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from energy.models import Feed, FeedKind
from energy.sources import FILE_MAPPING, LARGEST, MOST_BYTES, BadSource, Told, parse

SUCH_AS: dict[str, str] = {
    FeedKind.PRICE: " $42.00/MWh is 42000000.",
    FeedKind.HASH_PRICE: " $48.50 per PH/s and day is 48500000.",
    FeedKind.CARBON: " 380 g/kWh is 380000.",
    FeedKind.RENEWABLE: " 12.5 % is 125.",
}


def moment(label: str, about: str) -> forms.DateTimeField:
    """A moment in UTC, chosen to the minute; it may be left out."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 60}, format="%Y-%m-%dT%H:%M")
    words = {"invalid": "Write it as 2026-03-02T12:00, in UTC."}
    return forms.DateTimeField(label=label, required=False, help_text=about, widget=widget, error_messages=words)


class Telling(forms.Form):
    """Either a file, or a value and its time. `told` is what it says once it is valid."""

    file = forms.FileField(
        label="CSV file",
        required=False,
        help_text="UTF-8. Its columns are those of the feed's mapping if it reads CSV; else at, until and value, "
        "with times such as 2026-03-02T12:00:00Z; until may be left out.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )
    value = forms.IntegerField(required=False, min_value=-LARGEST, max_value=LARGEST)
    starts_at = moment("From (UTC)", "Of the one value.")
    ends_at = moment("Until (UTC)", "Left out: as long as the feed's values usually hold.")

    def __init__(self, *args: Any, feed: Feed, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.feed = feed
        self.told: list[Told] = []
        self.fields["value"].help_text = f"A whole number: {feed.get_kind_display()}.{SUCH_AS.get(feed.kind, '')}"

    def clean(self) -> dict[str, Any]:
        """Read the file, or take the value."""
        given: dict[str, Any] = super().clean() or {}
        if self.errors:
            return given
        if self.feed.is_read:
            machines = "battery" if self.feed.source == Feed.Source.BATTERY else "miners"
            self.add_error(None, f"It is read from the site's {machines}. Tell a meter's figures to a feed of its own.")
            return given
        if given.get("file"):
            self._read(given["file"])
        elif given.get("value") is None or given.get("starts_at") is None:
            missing = "file" if given.get("value") is None else "starts_at"
            self.add_error(missing, "Choose a file, or give a value and when it begins.")
        else:
            self._take(given["value"], given["starts_at"], given.get("ends_at"))
        return given

    def _read(self, upload: UploadedFile[Any]) -> None:
        if (upload.size or 0) > MOST_BYTES:
            self.add_error("file", f"The file has more than {MOST_BYTES // 1_000_000} megabytes. Split it.")
            return
        own = self.feed.form == Feed.Form.CSV and self.feed.mapping
        try:
            self.told = parse(upload.read(), form="csv", mapping=own or FILE_MAPPING, step=self.feed.step)
        except BadSource as error:
            self.add_error("file", str(error))
        else:
            if not self.told:
                self.add_error("file", "The file has no rows.")

    def _take(self, value: int, starts_at: datetime, ends_at: datetime | None) -> None:
        until = ends_at or starts_at + self.feed.step
        if until <= starts_at:
            self.add_error("ends_at", "It must be later than the start.")
        else:
            self.told = [Told(starts_at, until, value)]
