"""Addresses of pages."""

from django.urls import path

from marketplace.views.catalogue import catalogue
from marketplace.views.find import find
from marketplace.views.offer import offer
from marketplace.views.plans import plans
from marketplace.views.site import site

urlpatterns = [
    path("", catalogue, name="home"),
    path("", catalogue, name="catalogue"),  # the same page, as the navigation calls it
    path("offers/<str:id>/", offer, name="offer"),
    path("find/", find, name="find"),
    path("sites/<slug:slug>/", site, name="site"),
    path("plans/", plans, name="plans"),
]
