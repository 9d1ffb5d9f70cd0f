"""Microsoft's clouds: which hosts belong to which. Tokens of one are useless in another.

Sources: MicrosoftDocs/entra-docs authentication-national-cloud.md; Microsoft Graph deployments.md; for SMTP and IMAP in
GCC High and DoD the Microsoft 365 endpoint lists (MicrosoftDocs/microsoft-365-docs,
microsoft-365-u-s-government-gcc-high-endpoints.md and -dod-endpoints.md, of 2026-03-31). Exchange Online's other
addresses in the national clouds were read in no page of Microsoft's: each can be set (docs/reference/settings.md).
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cloud:
    """The addresses of one cloud; URLs without a slash at the end."""

    authority_url: str
    graph_url: str
    smtp_host: str
    smtp_port: int
    imap_host: str
    imap_port: int
    exchange_url: str = ""
    """Exchange Online as the resource of an app's own tokens."""
    outlook_url: str = ""
    """Exchange Online as the prefix of the permissions that a person gives."""


CLOUDS: Final = {
    "global": Cloud(
        authority_url="https://login.microsoftonline.com",
        graph_url="https://graph.microsoft.com",
        smtp_host="smtp.office365.com",
        smtp_port=587,
        imap_host="outlook.office365.com",
        imap_port=993,
        exchange_url="https://outlook.office365.com",
        outlook_url="https://outlook.office.com",
    ),
    "gcc-high": Cloud(
        authority_url="https://login.microsoftonline.us",
        graph_url="https://graph.microsoft.us",
        smtp_host="outlook.office365.us",
        smtp_port=587,
        imap_host="outlook.office365.us",
        imap_port=993,
        exchange_url="https://outlook.office365.us",
        outlook_url="https://outlook.office365.us",
    ),
    "dod": Cloud(
        authority_url="https://login.microsoftonline.us",
        graph_url="https://dod-graph.microsoft.us",
        smtp_host="outlook-dod.office365.us",
        smtp_port=587,
        imap_host="outlook-dod.office365.us",
        imap_port=993,
        exchange_url="https://outlook-dod.office365.us",
        outlook_url="https://outlook-dod.office365.us",
    ),
    "china": Cloud(
        authority_url="https://login.partner.microsoftonline.cn",
        graph_url="https://microsoftgraph.chinacloudapi.cn",
        smtp_host="smtp.partner.outlook.cn",
        smtp_port=587,
        imap_host="partner.outlook.cn",
        imap_port=993,
        exchange_url="https://partner.outlook.cn",
        outlook_url="https://partner.outlook.cn",
    ),
}
