"""The parent's side of a client in TypeScript: ``python -m procwire types module:client``."""
