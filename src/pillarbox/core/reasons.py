"""Why a connection failed, in words that may be shown: an exception's text can hold the proxy's password."""

import base64
import socket
from typing import Final
from urllib.parse import unquote, urlsplit

NO_SUCH_NAME: Final = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
"""What a resolver says for certain (`errno` of socket.gaierror); that no name server answers (EAI_AGAIN) passes."""


def reason(error: BaseException | str, proxy: str | None) -> str:
    """The text of an error, its class where it has none; user and password of the proxy are stars."""
    text = str(error) or type(error).__name__
    user_info = urlsplit(proxy or "").netloc.rpartition("@")[0]
    if not user_info:
        return text
    plain = unquote(user_info)
    forms = (user_info, plain, base64.b64encode(plain.encode()).decode("ascii"), unquote(user_info.partition(":")[2]))
    for form in filter(None, forms):
        text = text.replace(form, "***")
    return text
