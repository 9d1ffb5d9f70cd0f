"""Microsoft Entra ID: access tokens."""

import warnings

from pillarbox.core.without import without

with without("charset_normalizer"), warnings.catch_warnings():
    # requests takes it where it is, to guess the letters of an answer that does not say them; without it they are
    # UTF-8, as in all JSON. 3 MB of a service, and nothing that looks through a stranger's bytes.
    warnings.filterwarnings("ignore", message="Unable to find acceptable character detection")
    import requests  # noqa: F401 - for all modules of this package
