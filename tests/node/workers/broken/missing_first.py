"""Imports what nobody has, before the package."""

import a_module_that_nobody_has  # noqa: F401

from procwire import Client

client = Client()
