"""What one rule is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """`finds` selects one column of words for each row that breaks the rule; it may use %(now)s."""

    number: str
    says: str
    finds: str
