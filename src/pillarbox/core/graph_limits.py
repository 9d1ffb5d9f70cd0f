"""What Microsoft Graph takes at the most."""

from typing import Final

MOST_SENT: Final = 4 * 1024 * 1024
"""Bytes of one request, https://learn.microsoft.com/graph/outlook-large-attachments; more goes up piecewise."""
