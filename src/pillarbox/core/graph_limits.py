"""What Microsoft Graph takes at the most."""

from typing import Final

MOST_SENT: Final = 4 * 1024 * 1024
"""Bytes of one request, https://learn.microsoft.com/graph/outlook-large-attachments; more goes up piecewise."""

REQUEST: Final = 4_000_000
"""Bytes of one request as we make them, unless the settings say otherwise."""

MOST_MESSAGE: Final = 150 * 1024 * 1024
"""Bytes of a message that Exchange can be set to take, and of one uploaded file."""

USUAL_MESSAGE: Final = 35 * 1024 * 1024
"""Bytes of a message that Exchange takes where nobody has set anything."""

OURS: Final = 64 * 1024
"""Bytes that we may add to a header block on the way in: a message that just fitted goes whole all the same."""


def most_mime(request: int) -> int:
    """Bytes of a message that sendMail takes whole in a request of so many: base64 makes 4 of 3.

    What is left up to `MOST_SENT` is for what is written into the header on its way.
    """
    return request // 4 * 3


MOST_MIME: Final = most_mime(REQUEST)
"""What `most_mime` is unless the settings say otherwise."""
