"""What the page of a lease's interruptions asks for."""

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator

from leasing.forms.upkeep import moment
from leasing.models import InterruptionCause


class MoreTime(forms.Form):
    """How much later an interruption shall begin."""

    minutes = forms.IntegerField(label="Minutes more", min_value=1)

    def __init__(self, data: Any, *, most: int) -> None:
        """Proposes as much as there is."""
        super().__init__(data, initial={"minutes": most})
        field = self.fields["minutes"]
        field.validators.append(MaxValueValidator(most, f"Ask for {most} minutes at most."))
        field.widget.attrs["max"] = most
        field.help_text = f"1 to {most}, once. It ends when it was to end."


class NewInterruption(forms.Form):
    """When a surplus lease is to be paused, and why."""

    begins_at = moment("Paused from (UTC)", "At least the notice of its terms from now.")
    ends_at = moment("Until (UTC)", "It never gets longer. When there is power earlier, say so: it goes on at once.")
    cause = forms.ChoiceField(choices=InterruptionCause.choices, help_text="The customer reads this.")
