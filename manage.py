#!/usr/bin/env python
"""Django's command line. Use `./run manage …`, which supplies the services."""

import os
import sys

from django.core.management import execute_from_command_line

import config.celery  # noqa: F401  messages sent by commands go to this app's broker; it names the settings too

OWNERS = {"migrate", "grant_application"}  # the owner of the tables does these

if __name__ == "__main__":
    if OWNERS & set(sys.argv[1:2]):
        os.environ["AS_OWNER"] = "1"
    execute_from_command_line(sys.argv)
