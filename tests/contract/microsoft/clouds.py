"""Microsoft's clouds: each has its own hosts, and tokens of one are useless in another (facts, section 1)."""

from dataclasses import dataclass

Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True)
class Cloud:
    """The hosts of one cloud; `exchange` is the resource that tokens for SMTP and IMAP are asked for."""

    name: str
    authority: str
    graph: str
    exchange: str
    smtp: Address
    imap: Address


def _cloud(name: str, authority: str, graph: str, exchange: str, smtp: str, imap: str) -> Cloud:
    return Cloud(
        name, f"https://{authority}", f"https://{graph}", f"https://{exchange}", smtp=(smtp, 587), imap=(imap, 993)
    )


GLOBAL = _cloud(
    "global",
    "login.microsoftonline.com",
    "graph.microsoft.com",
    "outlook.office365.com",
    "smtp.office365.com",
    "outlook.office365.com",
)
NATIONAL = (
    _cloud(
        "gcc-high",
        "login.microsoftonline.us",
        "graph.microsoft.us",
        "outlook.office365.us",
        "outlook.office365.us",
        "outlook.office365.us",
    ),
    _cloud(
        "dod",
        "login.microsoftonline.us",
        "dod-graph.microsoft.us",
        "outlook-dod.office365.us",
        "outlook-dod.office365.us",
        "outlook-dod.office365.us",
    ),
    _cloud(
        "china",
        "login.partner.microsoftonline.cn",
        "microsoftgraph.chinacloudapi.cn",
        "partner.outlook.cn",
        "smtp.partner.outlook.cn",
        "partner.outlook.cn",
    ),
)
CLOUDS = {cloud.name: cloud for cloud in (GLOBAL, *NATIONAL)}
