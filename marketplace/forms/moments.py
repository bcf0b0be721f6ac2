"""
Local times in forms: in a zone that the form shows and lets choose.

A zone's clocks show some times twice (when they are set back) and pass over others (when they are set forward). A form
asks which one is meant, and refuses a time that there is not; it never guesses.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.utils.dateparse import parse_datetime

from accounts.models import time_zones
from marketplace.measures import format_offset

MINUTE = "%Y-%m-%dT%H:%M"
UTC_ONLY: dict[str, str] = {"UTC": "UTC"}
CENTURY = (2000, 2099)  # years of times that somebody may mean


def moment(label: str, *, required: bool = False, help_text: str = "") -> forms.DateTimeField:
    """A time on the clocks of the form's zone, chosen to the minute."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 60}, format=MINUTE)
    words = {"invalid": "Write it as 2026-03-02T12:00."}
    return forms.DateTimeField(label=label, required=required, help_text=help_text, widget=widget, error_messages=words)


def moments_at(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """When, UTC, a zone's clocks show a time: once; twice where they are set back; never where they are set forward."""
    return [at for at in readings(local, zone) if at.astimezone(zone).replace(tzinfo=None) == local]


def readings(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """The same, but the two nearest moments where clocks pass over the time: as far before the change, and after it."""
    both = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(both)


def offset_of(at: datetime, zone: ZoneInfo) -> str:
    """Of a zone at a moment, from UTC: "-04:00"."""
    return at.astimezone(zone).isoformat()[-6:]


def on_clocks(at: datetime, zone: ZoneInfo) -> str:
    """A moment as the zone's clocks show it, with the offset that tells it from its twin: "01:30 (UTC−04:00)"."""
    return f"{at.astimezone(zone):%H:%M} ({format_offset(offset_of(at, zone))})"


def zones_for(*, site: str = "", user: str = "") -> dict[str, str]:
    """
    The zones that a form lets choose, with their words: the user's, the site's, UTC. Whose is unknown is left empty.
    """
    whose = {user: "yours", site: "the site’s"}
    named = {zone: f"{_words(zone)}, {words}" for zone, words in whose.items() if zone not in ("", "UTC")}
    return UTC_ONLY | named if user in ("", "UTC") else named | UTC_ONLY


class Zoned(forms.Form):
    """
    A form with local times, the fields that `MOMENTS` names, which come out as moments in UTC.

    Without a `zone` in the data its times are UTC, and are shown in the first zone of `zones`; so are times that say
    their own offset. So an address means the same for everybody. With UTC alone, no zone is asked for.
    """

    MOMENTS: ClassVar[tuple[str, ...]] = ("starts_at", "ends_at")

    zone = forms.ChoiceField(
        label="Time zone",
        error_messages={"invalid_choice": "“%(value)s” is not in the list. Choose one that is."},
    )

    def __init__(self, data: Mapping[str, Any] | None, *, zones: Mapping[str, str] = UTC_ONLY) -> None:
        """`zones`: names and words of those to choose from; another one that the data names is kept beside them."""
        asked = data or {}
        said = str(asked.get("zone") or "") if "zone" in self.base_fields else ""
        offered = dict(zones) | ({said: _words(said)} if said in time_zones() and said not in zones else {})
        self.chosen = ZoneInfo(said if said in offered else next(iter(offered)))
        shown = {**on_its_clocks(asked, self.MOMENTS, self.chosen), "zone": said or self.chosen.key}
        super().__init__(None if data is None else shown)
        if "zone" in self.fields:
            self._offer_zones(offered)
        for name in self.MOMENTS:
            if name in self.fields:
                self._ask_which(name)

    def clean(self) -> dict[str, Any]:
        """The fields together, the local times as moments."""
        cleaned = super().clean() or {}
        for name in self.MOMENTS:
            if local := cleaned.get(name):
                cleaned[name] = self._moment(name, local.replace(tzinfo=None), cleaned.get(f"{name}_offset", ""))
        return cleaned

    @property
    def said(self) -> dict[str, str]:
        """The times as they are meant, each with its offset, for a page that asks to confirm them. Of a valid form."""
        return {name: self.cleaned_data[name].isoformat() for name in self.MOMENTS if self.cleaned_data.get(name)}

    @property
    def plain(self) -> list[forms.BoundField]:
        """The fields to fill in, without the questions which of two equal times is meant."""
        return [field for field in self.visible_fields() if not field.name.endswith("_offset")]

    @property
    def questions(self) -> list[tuple[str, forms.BoundField | None]]:
        """For each time, the id of the place where that question is asked, and the question where there is one."""
        asked = {name: f"{name}_offset" for name in self.MOMENTS if name in self.fields}
        return [(f"id_{name}_which", self[which] if which in self.fields else None) for name, which in asked.items()]

    def _offer_zones(self, offered: Mapping[str, str]) -> None:
        field = self.fields["zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(offered.items())
        if len(offered) == 1:
            field.widget = forms.HiddenInput()

    def _ask_which(self, name: str) -> None:
        """Beside a time that clocks show twice, ask which one is meant."""
        field = self.fields[name]
        if "zone" not in self.fields or self.fields["zone"].widget.is_hidden:
            field.label = f"{field.label} ({self.chosen.key})"
        twins = [at for local in _local(self.data.get(name)) for at in moments_at(local, self.chosen)]
        if len(twins) > 1:
            self.fields[f"{name}_offset"] = forms.ChoiceField(
                label=f"{field.label}: which of the two?",
                choices=[(offset_of(at, self.chosen), on_clocks(at, self.chosen)) for at in twins],
                required=False,
                widget=forms.RadioSelect,
            )

    def _moment(self, name: str, local: datetime, offset: str) -> datetime | None:
        """The moment that is meant; None where it cannot be known, and the field says why."""
        if not CENTURY[0] <= local.year <= CENTURY[1]:
            self.add_error(name, f"Choose a year from {CENTURY[0]} to {CENTURY[1]}.")
            return None
        found = moments_at(local, self.chosen)
        meant = found if len(found) == 1 else [at for at in found if offset_of(at, self.chosen) == offset]
        if not meant:
            self.add_error(name, _objection(local, found, self.chosen))
        return meant[0] if meant else None


def _objection(local: datetime, found: list[datetime], zone: ZoneInfo) -> str:
    either = " or ".join(on_clocks(at, zone) for at in found or readings(local, zone))
    what = f"Clocks show {local:%H:%M} twice" if found else f"Clocks pass over {local:%H:%M}"
    return f"{what} on {local:%-d %B %Y} in {_words(zone.key)}: choose {either}."


def _local(text: object) -> list[datetime]:
    """The local time that a text says: one, or none where it says none."""
    try:
        found = parse_datetime(str(text or ""))
    except ValueError:  # such as 30 February
        return []
    return [found] if found and CENTURY[0] <= found.year <= CENTURY[1] else []


def on_its_clocks(data: Mapping[str, Any], names: Iterable[str], zone: ZoneInfo) -> dict[str, Any]:
    """The data with the times that are not the zone's (UTC, or with an offset) as its clocks show them."""
    shown = {name: data[name] for name in data}
    for name in names:
        for at in _local(data.get(name)):
            if at.tzinfo or not data.get("zone"):
                there = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zone)
                exactly = "seconds" if there.second else "minutes"
                shown[name] = there.replace(tzinfo=None).isoformat(timespec=exactly)
                shown[f"{name}_offset"] = offset_of(there, zone)
    return shown


def _words(zone: str) -> str:
    return zone.replace("_", " ")
