"""How many lives are lived: a few, or (`./test pytest tests/bookings --hypothesis-profile=long`) many."""

from hypothesis import settings

settings.register_profile("long", settings.get_profile("default"))
