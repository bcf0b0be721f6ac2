"""How amounts, spans, moments and states read on pages."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django import forms
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from accounts.templatetags import strip, ui

NOON = datetime(2026, 3, 2, 12, 0, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "$0.00"), (2_490_000, "$2.49"), (5_000, "$0.01"), (4_999, "$0.00"), (-1_590_000, "−$1.59"), (None, "–"),
     (1_284_060_000, "$1,284.06")],
)  # fmt: skip
def test_amounts_round_half_up_to_the_cent(micros: int | None, text: str) -> None:
    assert ui.micros(micros) == text


@pytest.mark.parametrize(
    ("values", "count"),
    [("10000 5000 5000", 1), ("8000 4000 4000", 1), ("20000 15000 5000", 1), ("10000 10000 0", 0),
     ("15000 5000 10000", 0), ("-10000 -5000 -5000", 1), ("95000 100000 less=5000", 1), ("90000 100000 less=10000", 0),
     ("0 5000 less=4000", 0)],
)  # fmt: skip
def test_rows_say_that_they_are_rounded_only_where_they_come_to_another_cent(values: str, count: int) -> None:
    shown = Template("{% load ui %}{% rounded_rows " + values + " %}").render(Context())
    assert shown.count("Rows are rounded to cents; the sum is exact.") == count


@pytest.mark.parametrize(("micros", "text"), [(37_500, "$0.0375"), (23_920_000, "$23.92"), (1, "$0.000001")])
def test_rates_lose_no_digit(micros: int, text: str) -> None:
    assert ui.micros_exact(micros) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (21_600, "21,600"), (-1200, "−1,200")])
def test_whole_numbers_have_a_true_minus_as_amounts_do(number: int, text: str) -> None:
    assert ui.whole(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-5, "0 s"), (61, "1 min 01 s"), (7500, "2 h 05 min"), (86_400, "1 d"), (93_600, "1 d 2 h")],
)
def test_spans_use_at_most_two_units(seconds: int, text: str) -> None:
    assert ui.duration(seconds) == text.replace(" ", ui.NBSP)


def test_a_moment_is_written_in_utc_for_a_reader_without_scripts() -> None:
    assert f">2{ui.NBSP}Mar{ui.NBSP}2026, 12:00{ui.NBSP}UTC</time>" in ui.utc(NOON)
    assert 'datetime="2026-03-02T12:00:31Z"' in ui.utc(NOON)
    assert f"12:00:31{ui.NBSP}UTC</time>" in ui.utc_seconds(NOON)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("free until 2026-12-04 18:24 UTC.", "free until 4 Dec 2026, 18:24 UTC."),
     ("at 2026-12-04 18:24:09 UTC", "at 4 Dec 2026, 18:24:09 UTC"),
     ("2026-12-04 18:24 to 2026-12-05 06:00 UTC", "4 Dec 2026, 18:24 UTC to 5 Dec 2026, 06:00 UTC"),
     ("2026-02-30 12:00 UTC", "2026-02-30 12:00 UTC"), ("came on 2026-12-04", "came on 2026-12-04")],
)  # fmt: skip
def test_a_text_says_moments_as_the_page_does(text: str, shown: str) -> None:
    assert re.sub(r"<[^>]+>", "", ui.unbroken(text)).replace(ui.NBSP, " ") == shown


@pytest.mark.parametrize(
    ("text", "whole"),
    [("our invoice of 2026-12-04, paid", "2026-12-04"), ("2026-12-04 18:24 said they", "2026-12-04 18:24"),
     ("pair-od-2 is ready", "pair-od-2"), ("at most 16 KiB of text", "16 KiB"), ("3 h later", "3 h"),
     ("540 s", "540 s"), ("nodes of 8 × A100 80 GB SXM in Macon", "8 × A100 80 GB SXM"),
     ("each 4 × RTX 4090. It begins", "4 × RTX 4090"), ("for 3 × that", None),
     ("a-name-that-goes-on-and-on-and-on-2", None), ("40 hands on-demand", None)],
)  # fmt: skip
def test_dates_figures_and_names_in_a_text_stay_on_one_line(text: str, whole: str | None) -> None:
    kept = re.findall('<span class="number">(.*?)</span>', ui.unbroken(text))
    assert kept == ([whole] if whole else [])


def test_a_text_of_somebody_is_escaped_and_markup_of_ours_is_left_alone() -> None:
    said = ui.unbroken('<b title="2026-12-04 18:24 UTC">&')
    assert said.startswith("&lt;b title=&quot;<time ") and said.endswith("</time>&quot;&gt;&amp;")
    ours = mark_safe('<i title="2026-12-04 18:24 UTC">x</i>')
    assert ui.unbroken(ours) == ours


def test_a_day_of_an_invoice_is_written_as_moments_are() -> None:
    assert ui.on_day(NOON.date()) == f"2{ui.NBSP}Mar{ui.NBSP}2026"


@pytest.mark.parametrize("state", ["held", "scheduled", "provisioning", "active", "paused", "reclaiming", "ended",
                                   "expired", "cancelled", "failed"])  # fmt: skip
def test_every_lease_state_is_a_word_and_a_shape_and_not_only_a_colour(state: str) -> None:
    badge = render_to_string("components/state.html", {"state": state})
    assert ui.state_word(state) in badge
    assert state in ui.LOOKS


@pytest.mark.parametrize(
    ("agent", "words"),
    [("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36", "Chrome on Linux"),
     ("curl/8.5.0", "curl/8.5.0"), ("", "Unknown browser")],
)  # fmt: skip
def test_a_browser_is_named_in_few_words(agent: str, words: str) -> None:
    assert ui.browser(agent) == words


class Budget(forms.Form):
    amount = forms.IntegerField(min_value=10, help_text="At least 10 dollars.")


def test_an_error_stands_beside_its_field_and_the_control_points_to_it() -> None:
    page = render_to_string("components/form_fields.html", {"form": Budget({"amount": "4"})})
    assert 'id="id_amount_error"' in page
    assert 'aria-describedby="id_amount_helptext id_amount_error"' in page
    assert 'aria-invalid="true"' in page
    assert 'value="4"' in page
    assert 'href="#id_amount"' in page


@dataclass(frozen=True)
class Free:
    starts_at: datetime
    ends_at: datetime | None


def test_the_strip_shows_free_time_cut_to_its_axis() -> None:
    day = timedelta(days=1)
    windows = [Free(NOON - day, NOON + day), Free(NOON + 3 * day, None)]
    found = strip.availability(windows, NOON, NOON + 4 * day)["free"]
    assert isinstance(found, list)
    assert [(bar.x, bar.width) for bar in found] == [(0.0, 25.0), (75.0, 25.0)]


def test_a_page_that_does_not_exist_here_leaves_no_broken_link() -> None:
    assert Template("{% load ui %}{% url_or_none 'no-such-page' %}").render(Context()) == ""
