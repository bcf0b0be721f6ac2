"""When and where an agreed lease shall run instead."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from django import forms

from billing.queries import rate_words
from billing.queries.places import Place
from leasing.models import Lease
from marketplace.forms import UTC_ONLY, Zoned, moment
from marketplace.measures import nodes_of
from marketplace.models import Offer
from marketplace.queries import Window, listed_offers


class NewWindow(Zoned):
    """When an agreed lease shall run, and where."""

    LISTED = ("offer", "others")  # shown apart: what they list depends on the window

    starts_at = moment("From", required=True)
    ends_at = moment("Until", required=True)
    offer = forms.ModelChoiceField(
        label="Offer", queryset=Offer.objects.none(), to_field_name="public_id", empty_label=None
    )
    others = forms.BooleanField(label="Show other nodes too", required=False)
    field_order = ("zone", "starts_at", "ends_at", "offer", "others")

    def __init__(self, data: Any, *, lease: Lease, zones: Mapping[str, str] = UTC_ONLY) -> None:
        """Takes what is for sale to the organization on the same plan; `list_places` fills the list of it."""
        super().__init__(data, zones=zones)
        self.lease = lease
        field = self.fields["offer"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = listed_offers(lease.organization).filter(plan=lease.offer.plan_id)

    @property
    def plain(self) -> list[forms.BoundField]:
        """The fields of the window."""
        return [field for field in super().plain if field.name not in self.LISTED]

    def window(self) -> Window:
        """The cleaned one; that of the lease, while none can be made of what was typed."""
        starts_at, ends_at = (self.cleaned_data.get(name) for name in self.MOMENTS)
        if starts_at and ends_at and starts_at < ends_at:
            return Window(starts_at, ends_at)
        return Window(self.lease.starts_at, self.lease.last_moment)

    def list_places(self, places: Sequence[Place]) -> None:
        """Let choose among places, in their order: those with nodes like the lease's, or all of them."""
        own, chosen = self.lease.offer.pool, self["offer"].value()
        like = {place.offer.public_id for place in places if place.offer.pool.node_type_id == own.node_type_id}
        if len(like) == len(places):
            del self.fields["others"]
        else:
            said = (
                f"{len(like)} of {len(places)} offers are of nodes with {nodes_of(1, own.node_type.name)}, as it has."
            )
            self["others"].help_text = said
        every = bool(self.data.get("others"))
        shown = [place for place in places if every or place.offer.public_id in {*like, chosen}]
        field = self.fields["offer"]
        assert isinstance(field, forms.ModelChoiceField)
        field.choices = [
            (group, [(place.offer.public_id, self._words(place)) for place in among])
            for group, among in groupby(shown, key=lambda place: _nearness(place, self.lease))
        ]

    def _words(self, place: Place) -> str:
        """Such as "8 × H100 in Macon, Georgia: $24.00 per node-hour, free"."""
        pool = place.offer.pool
        how = "where it is" if place.offer == self.lease.offer else "free" if place.free else "not free"
        what = f"{nodes_of(1, pool.node_type.name)} in {pool.site.place}"
        return f"{what}: {rate_words(place.micros_per_node_hour)}, {how}"


def _nearness(place: Place, lease: Lease) -> str:
    """Of an offer's site to that of a lease, in words."""
    here, there = lease.offer.pool.site, place.offer.pool.site
    if there == here:
        return "At its site"
    return f"In {here.get_region_display()}" if there.region == here.region else "Elsewhere"
