"""Figures that come from outside, for programs of the operator's staff."""

from typing import Any

from django.core.files.base import ContentFile
from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from energy.forms import Telling
from energy.models import Feed, Reading
from energy.serializers.forms import refused
from energy.sources import LARGEST


class FeedShown(serializers.Serializer[Any]):
    """One input and what it tells of now: its reading of that time, or the last one before."""

    id = serializers.CharField(source="feed.public_id", help_text="Such as fd_…")
    slug = serializers.CharField(source="feed.slug")
    name = serializers.CharField(source="feed.name")
    kind = serializers.CharField(source="feed.kind")
    unit = serializers.CharField(source="feed.get_kind_display", help_text="What it tells, and in which unit.")
    site = serializers.SlugRelatedField[Any]("slug", source="feed.site", read_only=True)
    grid_zone = serializers.SlugRelatedField[Any]("code", source="feed.grid_zone", read_only=True)
    forecast = serializers.BooleanField(source="feed.forecast")
    source = serializers.ChoiceField(Feed.Source.choices, source="feed.source")  # type: ignore[assignment]
    value = serializers.IntegerField(allow_null=True, help_text="Null: never told.")
    starts_at = serializers.DateTimeField(
        source="reading.starts_at", allow_null=True, default=None, help_text="Of the value."
    )
    ends_at = serializers.DateTimeField(source="reading.ends_at", allow_null=True, default=None)
    age_seconds = serializers.SerializerMethodField()
    age_limit_seconds = serializers.IntegerField(source="feed.age_limit_seconds")
    stale = serializers.BooleanField(help_text="Older than its limit, or never told.")
    error = serializers.CharField(source="feed.error", help_text="Why the last try failed; empty if it did not.")

    def get_age_seconds(self, row: Any) -> int | None:
        """Since the value's time was over; 0 while it lasts; null if nothing was ever told."""
        return None if row.age is None else int(row.age.total_seconds())


class ReadingShown(serializers.ModelSerializer[Reading]):
    """A value in a half-open time, in the unit of its input."""

    class Meta:
        model = Reading
        fields = ["starts_at", "ends_at", "value", "source", "fetched_at"]
        read_only_fields = fields


class ReadingsAsked(StrictSerializer):
    """Either `value` and its time, or `csv`."""

    value = serializers.IntegerField(required=False, min_value=-LARGEST, max_value=LARGEST)
    starts_at = Moment(required=False)
    ends_at = Moment(required=False, help_text="Left out: as long as the input's values usually hold.")
    csv = serializers.CharField(
        required=False,
        trim_whitespace=False,
        help_text="The text of a file with the columns at, until and value, or those of the input's mapping.",
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """As the page reads it, with its words. What it comes to is `told`."""
        text = given.pop("csv", None)
        files = {} if text is None else {"file": ContentFile(text.encode(), name="told.csv")}
        form = Telling(given, files, feed=self.context["feed"])
        if not form.is_valid():
            raise refused(form, file="csv")
        return {"told": form.told}


class Taken(serializers.Serializer[Any]):
    """How many readings were taken."""

    readings = serializers.IntegerField()
