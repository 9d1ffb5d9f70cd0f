"""What Microsoft Graph takes at the most."""

from typing import Final

MOST_SENT: Final = 4 * 1024 * 1024
"""Bytes of one request, https://learn.microsoft.com/graph/outlook-large-attachments; more goes up piecewise."""

MOST_MIME: Final = 4_000_000 // 4 * 3
"""Bytes of a message that sendMail takes whole: base64 makes 4 of 3. What is left up to `MOST_SENT` is for the
recipients that are written into the header on the way out."""
