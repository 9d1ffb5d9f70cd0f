"""The HTTP API, version 1. The local socket serves it; an HTTPS listener will serve the same."""
