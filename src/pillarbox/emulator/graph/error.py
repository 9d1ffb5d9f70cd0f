"""Graph's refusals: status, code and text (facts 3.2), as an exception inside and as the JSON envelope outside."""

import time
from collections.abc import Mapping

from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.world.limits import SUBMISSION_QUOTA

# Status and text by code, where one of our services or a fault rule names only the code.
TEXTS: dict[str, tuple[int, str]] = {
    "ApplicationThrottled": (429, "Application is over its MailboxConcurrency limit."),
    "Authorization_RequestDenied": (403, "Insufficient privileges to complete the operation."),
    "CommandConcurrencyLimitReached": (429, "Too many commands in parallel."),
    "ErrorAccessDenied": (403, "Access is denied. Check credentials and try again."),
    "ErrorAttachmentSizeLimitExceeded": (413, "The attachment size exceeds the maximum supported size."),
    "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize": (
        400,
        "The attachment size should not be less than the minimum size of an upload session.",
    ),
    "ErrorExceededMessageLimit": (400, SUBMISSION_QUOTA),
    "ErrorInternalServerError": (500, "An internal server error occurred. The operation failed."),
    "ErrorInvalidIdMalformed": (400, "Id is malformed."),
    "ErrorInvalidRecipients": (400, "At least one recipient is not valid."),
    "ErrorInvalidPropertySet": (400, "Set action is invalid for property."),
    # As live answers have it for messages: davmail issue 491, msgraph-sdk-dotnet issue 1201.
    "ErrorIrresolvableConflict": (
        412,
        "The send or update operation could not be performed because the change key passed in the request does not "
        "match the current change key for the item.",
    ),
    "ErrorItemNotFound": (404, "The specified object was not found in the store."),
    "ErrorMailboxStoreUnavailable": (503, "The mailbox database is temporarily unavailable."),
    "ErrorMessageSizeExceeded": (413, "The message exceeds the maximum supported size."),
    "ErrorMimeContentInvalid": (400, "The MIME content is invalid."),
    "ErrorMimeContentInvalidBase64String": (400, "Invalid base64 string for MIME content."),
    "ErrorQuotaExceeded": (403, "The mailbox is full."),
    "ErrorSendAsDenied": (
        403,
        "The user account which was used to submit this request does not have the right to send mail on behalf of the "
        "specified sending account.",
    ),
    "ErrorServerBusy": (503, "The server is busy."),
    # Exchange's web services give this code for the exception that SMTP names (SubmissionQuotaExceededException).
    "ErrorTimeoutExpired": (504, "The operation timed out."),
    "GatewayTimeout": (504, "The upstream server did not answer in time."),
    "InefficientFilter": (400, "The restriction or sort order is too complex for this operation."),
    "InvalidAuthenticationToken": (401, "Access token is empty."),
    "InvalidInternetMessageHeaderCollection": (
        400,
        "Maximum number of headers in one message should be less than or equal to 5.",
    ),
    "MailboxNotEnabledForRESTAPI": (404, "The mailbox is either inactive, soft-deleted, or is hosted on-premise."),
    "RequestEntityTooLarge": (413, "The request is larger than 4 MB."),
    "TooManyRequests": (429, "Too many requests."),
    "UnknownError": (500, ""),
    "UnsupportedMediaType": (415, "The content type of the request is not supported."),
    "serviceNotAvailable": (503, "The service is temporarily unavailable."),
}
BY_STATUS = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "ErrorAccessDenied",
    404: "ErrorItemNotFound",
    413: "RequestEntityTooLarge",
    429: "ApplicationThrottled",
    500: "UnknownError",
    503: "ErrorServerBusy",
    504: "GatewayTimeout",
}


class GraphError(Exception):
    """A request that Graph refuses; status and text come from TEXTS unless given.

    `gap` names what is not emulated, if that is why: the service notes it, where no Request is at hand.
    """

    def __init__(
        self,
        code: str,
        text: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        gap: str = "",
    ) -> None:
        known_status, known_text = TEXTS.get(code, (400, ""))
        super().__init__(code, text)
        self.code = code
        self.text = known_text if text is None else text
        self.status = status or known_status
        self.headers = dict(headers or {})
        self.gap = gap


def refusal(call: Call, error: GraphError) -> Answer:
    """The JSON envelope, with `innerError` as live answers have it."""
    inner = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(call.now)),
        "request-id": call.request_id,
        "client-request-id": call.client_request_id or call.request_id,
    }
    body = {"error": {"code": error.code, "message": error.text, "innerError": inner}}
    answer = Answer.json(body, error.status, error.headers)
    answer.code = error.code
    return answer
