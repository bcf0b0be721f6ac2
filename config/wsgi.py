"""The WSGI application that granian serves."""

import gc

from django.core.wsgi import get_wsgi_application

import config.celery  # noqa: F401  messages sent by views go to this app's broker; it names the settings too

application = get_wsgi_application()
gc.freeze()  # what is here by now stays: looking through all of it again and again would hold up requests
