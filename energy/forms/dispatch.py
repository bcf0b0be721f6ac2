"""The grid's request, as staff types it in."""

from django import forms

from energy.forms.feeds import moment


class GridEvent(forms.Form):
    """So much less, from when on, for how long."""

    percent = forms.IntegerField(
        label="Less, %", min_value=1, max_value=100, initial=25, help_text="Of what the site draws from the grid now."
    )
    hours = forms.FloatField(label="For, hours", min_value=0.25, max_value=24, initial=3)
    starts_at = moment("From (UTC)", "Left empty: at once.")
