"""A client of the HTTP API for programs in Python; imports nothing of the server."""
