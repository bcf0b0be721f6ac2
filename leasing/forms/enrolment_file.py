"""Many hosts to enrol, in a CSV file: all of them are asked for, or none."""

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import StringIO
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from leasing.forms.enrolment import NewEnrolment
from leasing.models import Enrolment

COLUMNS = tuple(NewEnrolment.base_fields)
MOST_ROWS = 500
MOST_BYTES = 1_000_000
DEFAULTS = {"provisioner": "podman", "plan": "on_demand"}  # of columns that a file does not have, or leaves empty


class BadFile(Exception):
    """The file cannot be taken. `errors` name line and column, what is wrong, and what it must be."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


def take_file(text: str, *, actor: str, now: datetime) -> list[Enrolment]:
    """
    Ask for every host in the file.

    :raises BadFile: if anything is wrong with any line; then none is asked for
    """
    errors: list[str] = []
    with transaction.atomic():
        found = [_taken(line, form, actor, now, errors) for line, form in _lines(text)]
        if errors:
            raise BadFile(errors)
    return [enrolment for enrolment in found if enrolment is not None]


def _taken(line: int, form: NewEnrolment, actor: str, now: datetime, errors: list[str]) -> Enrolment | None:
    enrolment = form.request(actor=actor, now=now)
    errors += [f"line {line}, {name}: {message}" for name, said in form.errors.items() for message in said]
    return enrolment


def _lines(text: str) -> Iterator[tuple[int, NewEnrolment]]:
    """:raises BadFile: for a file that is too long, empty, or has other columns"""
    reader = csv.DictReader(StringIO(text), restkey="too many values", strict=True)
    try:
        columns, rows = reader.fieldnames or [], [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise BadFile([f"line {reader.line_num}: not CSV: {error}."]) from error
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise BadFile([f"line 1: there is no column {', '.join(unknown)}. There are: {', '.join(COLUMNS)}."])
    if missing := [name for name in ("site", "name") if name not in columns]:
        raise BadFile([f"line 1: the column {' and '.join(missing)} is missing."])
    if not 0 < len(rows) <= MOST_ROWS:
        raise BadFile([f"The file names {len(rows)} hosts; take 1 to {MOST_ROWS}."])
    if longer := [str(number) for number, row in rows if "too many values" in row]:
        raise BadFile([f"line {', '.join(longer)}: more values than there are columns."])
    for number, row in rows:
        given = {name: value for name, value in row.items() if value}
        yield number, NewEnrolment({**DEFAULTS, **given})


class EnrolmentFile(forms.Form):
    """A file of hosts to upload."""

    file = forms.FileField(
        label="CSV file",
        help_text=f"UTF-8, a line for each host, at most {MOST_ROWS}. First line: the columns’ names.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )

    def clean_file(self) -> str:
        """Its text."""
        upload: UploadedFile[Any] = self.cleaned_data["file"]
        if (upload.size or 0) > MOST_BYTES:
            raise forms.ValidationError("The file has more than a megabyte. Split it.")
        try:
            return str(upload.read(), "utf-8-sig")
        except UnicodeDecodeError as error:
            raise forms.ValidationError("This is not a text in UTF-8. Save it as CSV (UTF-8).") from error
