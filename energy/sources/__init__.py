"""Where figures are had from: an address that is asked, and how an answer or a file is read."""

from energy.sources.fetching import MOST_BYTES, get
from energy.sources.parsing import FILE_MAPPING, LARGEST, BadSource, Told, parse

__all__ = ["FILE_MAPPING", "LARGEST", "MOST_BYTES", "BadSource", "Told", "get", "parse"]
