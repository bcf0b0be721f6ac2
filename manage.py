#!/usr/bin/env python
"""Django's command line. Use `./run manage …`, which supplies the services."""

import sys

from django.core.management import execute_from_command_line

import config.celery  # noqa: F401  messages sent by commands go to this app's broker; it names the settings too

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
