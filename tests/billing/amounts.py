"""A page as somebody reads it who asks of each amount: what is it the sum of?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.test.html import Element, parse_html

MONEY = re.compile(r"([+−]?)\$([\d,]+\.\d+)")
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Amount:
    """Money in the text of a page, and the elements that it is in, the innermost first."""

    dollars: Decimal
    text: str
    within: tuple[Element, ...]

    @property
    def label(self) -> str:
        """What the page calls it: the term, the column, or the words around it."""
        cell = self.inside("td")
        if cell is not None:
            return attribute(cell, "data-label") or "Amount"
        row = self.inside("div")
        terms = [one for one in children(row) if one.name == "dt"] if row is not None and self.inside("dd") else []
        return words(terms[0]) if terms else self.text

    def inside(self, name: str) -> Element | None:
        """The nearest element of a name that it is in."""
        return next((one for one in self.within if one.name == name), None)


def main_of(html: str) -> Element:
    """The main part of a page."""
    start, end = html.index("<main"), html.index("</main>") + len("</main>")
    found = parse_html(html[start:end])
    assert isinstance(found, Element)
    return found


def amounts(element: Element, within: tuple[Element, ...] = ()) -> Iterator[Amount]:
    """All money in the text of an element, in order."""
    around = (element, *within)
    for child in element.children:
        if isinstance(child, Element):
            yield from amounts(child, around)
        else:
            yield from (Amount(_dollars(*found), str(child), around) for found in MONEY.findall(str(child)))


def each(element: Element) -> Iterator[Element]:
    """It and all elements in it."""
    yield element
    for child in children(element):
        yield from each(child)


def children(element: Element) -> list[Element]:
    """Without texts."""
    return [child for child in element.children if isinstance(child, Element)]


def attribute(element: Element, name: str) -> str:
    """Empty where it has none."""
    return next((str(value) for key, value in element.attributes if key == name), "")


def has_class(element: Element, name: str) -> bool:
    """Whether it is one of its classes."""
    return name in attribute(element, "class").split()


def words(element: Element) -> str:
    """Its text."""
    return " ".join(words(child) if isinstance(child, Element) else str(child) for child in element.children)


def links(element: Element) -> list[str]:
    """Where one can go from it."""
    return [attribute(one, "href") for one in each(element) if one.name == "a"]


def part(main: Element, id: str) -> Element:
    """What an address with this fragment shows: the element, or the section that it is the heading of."""
    found = next(one for one in each(main) if attribute(one, "id") == id)
    sections = [one for one in each(main) if attribute(one, "aria-labelledby") == id]
    return sections[0] if sections else found


def terms(facts: Element, leaving_out: re.Pattern[str]) -> list[Decimal]:
    """The amounts of a list of facts, one a row, without those whose row is called so."""
    found = []
    for row in children(facts):
        label, said = children(row)[0], list(amounts(children(row)[1]))
        if said and not leaving_out.search(words(label)):
            found.append(said[0].dollars)
    return found


def column(element: Element) -> list[Decimal]:
    """The amounts of the rows of its table: of the column of that name, or of the last one."""
    found = []
    for row in each(element):
        cells = [one for one in children(row) if one.name == "td"] if row.name == "tr" else []
        named = [one for one in cells if attribute(one, "data-label") == "Amount"]
        found += [one.dollars for cell in (named or cells)[-1:] for one in amounts(cell)]
    return found


def same(said: Decimal, found: Decimal) -> bool:
    """Whether an amount, perhaps rounded to cents, says the other. What left the wallet may be said without a sign."""
    exact = abs(found) if said.as_tuple().exponent != -2 else abs(found).quantize(CENT, ROUND_HALF_UP)
    return abs(said) == exact


def _dollars(sign: str, digits: str) -> Decimal:
    return Decimal(digits.replace(",", "")) * (-1 if sign == "−" else 1)
