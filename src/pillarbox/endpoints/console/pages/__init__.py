"""The pages, a file a subject. Each has `add(console)`."""

from pillarbox.endpoints.console.pages import about, signing_in

ALL = (signing_in, about)
"""All of them."""
