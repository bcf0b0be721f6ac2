"""What the page of a lease's interruptions asks for."""

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator


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
