"""All operations of Graph that are emulated."""

from pillarbox.emulator.graph import (
    application_credentials,
    applications,
    attachments,
    drafts,
    exchange_rbac,
    federated_credentials,
    folders,
    message_traces,
    messages,
    organization,
    permission_grants,
    role_assignments,
    send,
    service_principals,
    uploads,
    users,
)
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
