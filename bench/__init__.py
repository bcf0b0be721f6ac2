"""Measurements: `./run bench NAME`. Each starts databases of its own and ends with 1 where a bar is missed."""
