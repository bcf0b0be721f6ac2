"""Addresses of pages."""

from django.urls import path

from energy.views import feeds

urlpatterns = [
    path("operations/power/feeds/", feeds.feed_list, name="power_feeds"),
    path("operations/power/feeds/<str:id>/", feeds.feed, name="power_feed"),
]
