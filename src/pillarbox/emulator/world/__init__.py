"""The world behind all protocols."""

from pillarbox.emulator.world.apps import App, FederatedCredential, KeyCredential, Secret, ServicePrincipal
from pillarbox.emulator.world.limits import Limits
from pillarbox.emulator.world.mailbox import Folder, Mailbox, Message
from pillarbox.emulator.world.people import Group, User
from pillarbox.emulator.world.permissions import EXCHANGE, GRAPH, Permission, Resource
from pillarbox.emulator.world.tenant import Tenant
from pillarbox.emulator.world.world import Clock, World

__all__ = [
    "EXCHANGE",
    "GRAPH",
    "App",
    "Clock",
    "FederatedCredential",
    "Folder",
    "Group",
    "KeyCredential",
    "Limits",
    "Mailbox",
    "Message",
    "Permission",
    "Resource",
    "Secret",
    "ServicePrincipal",
    "Tenant",
    "User",
    "World",
]
