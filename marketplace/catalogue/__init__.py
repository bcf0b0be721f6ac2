"""What is for sale, from the files in `data/` into the database."""

from marketplace.catalogue.load import CatalogueShrunk, load
from marketplace.catalogue.parse import BadCatalogue
from marketplace.catalogue.read import Catalogue, read
from marketplace.catalogue.write import Summary

__all__ = ["BadCatalogue", "Catalogue", "CatalogueShrunk", "Summary", "load", "read"]
