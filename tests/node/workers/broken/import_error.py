"""Imports what nobody has, after the package."""

from procwire import Client

client = Client()

import a_module_that_nobody_has  # noqa: E402, F401
