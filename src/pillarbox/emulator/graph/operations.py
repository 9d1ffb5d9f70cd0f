"""All operations of Graph that are emulated."""

from pillarbox.emulator.graph.directory import (
    application_credentials,
    applications,
    exchange_rbac,
    federated_credentials,
    message_traces,
    organization,
    permission_grants,
    role_assignments,
    service_principals,
    users,
)
from pillarbox.emulator.graph.mail import attachments, drafts, folders, messages, send, uploads
from pillarbox.emulator.graph.request import Operation

OPERATIONS: tuple[Operation, ...] = (
    *users.OPERATIONS,
    *folders.OPERATIONS,
    *messages.OPERATIONS,
    *send.OPERATIONS,
    *drafts.OPERATIONS,
    *attachments.OPERATIONS,
    *uploads.OPERATIONS,
    *application_credentials.OPERATIONS,
    *applications.OPERATIONS,
    *exchange_rbac.OPERATIONS,
    *federated_credentials.OPERATIONS,
    *message_traces.OPERATIONS,
    *organization.OPERATIONS,
    *permission_grants.OPERATIONS,
    *role_assignments.OPERATIONS,
    *service_principals.OPERATIONS,
)
