"""Who a user of this machine is to the world: programs such as cron know them by a name without a domain."""

from pillarbox.core.accounts import Submitter
from pillarbox.core.errors import Forbidden
from pillarbox.delivery import senders


def own_address(submitter: Submitter) -> str:
    """The address that a submitter has where it says none: its first mailbox's; empty where it has no mailbox."""
    try:
        return senders.mailbox_for(submitter, "").address
    except Forbidden:
        return ""
