"""Everything that is raised on purpose, drawn as one tree.

::

    NeuroError                              root of everything raised on purpose
    +- ConfigError (RuntimeError)           NotSupportedError (NotImplementedError)
    +- StdStreamError                       NDJSONError (ValueError)
    +- ResponseError                        an answer that says no; never raised itself
    |  +- ClientError 405
    |  |  +- AuthError
    |  |     +- AuthenticationError 401
    |  |     +- AuthorizationError 403
    |  |        +- QuotaExceededError
    |  +- ResourceNotFound (ValueError) 404
    |  +- ServerNotAvailable (ValueError) 502 503 504
    |  +- IllegalArgumentError (ValueError) 400 and whatever is not mapped
    |     +- ConflictError 409 . PreconditionFailedError 412
    |     +- RateLimitError 429 . ServerError other 5xx
    +- TransportError (OSError)             no answer
    |  +- TransportTimeoutError (TimeoutError)
    +- ProtocolError (ValueError)           an answer that cannot be read
    +- TransferError                        a transfer that did not complete
    |  +- ChecksumMismatchError . SourceChangedError
    +- JobFailed                            the awaited run did not succeed
       +- TrainingFailed . TaskFailed . ExperimentFailed

The seed's names keep the seed's bases, so ``except ValueError`` written for it goes on working.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class NeuroError(Exception):
    """Be the root of everything this package raises on purpose."""


class ConfigError(NeuroError, RuntimeError):
    """Report a login, a configuration file or a setting that is absent or unusable."""


class NotSupportedError(NeuroError, NotImplementedError):
    """Report a call that the server or store at hand does not offer."""


class NDJSONError(NeuroError, ValueError):
    """Report an error record that arrived inside a stream of JSON lines."""


class StdStreamError(NeuroError):
    """Report the end of the remote process of an attached or exec stream, code 0 included."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"The remote process ended with exit code {exit_code}")
        self.exit_code = exit_code


class ResponseError(NeuroError):
    """Carry the facts of an HTTP answer with an error status; only subclasses are raised.

    ``body`` is the raw text of the answer, cut after 64 KiB. ``code`` is a machine-readable
    code of the body where the system sends one.
    """

    def __init__(
        self,
        *args: object,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        method: str | None = None,
        url: str | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(*args)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.method = method
        self.url = url
        self.body = body


class ClientError(ResponseError):
    """Report a call that the server does not allow (405), or an unexpected success status."""


class AuthError(ClientError):
    """Report a login or a token that was not accepted."""


class AuthenticationError(AuthError):
    """Report an answer 401: the token is missing, unknown or expired."""


class AuthorizationError(AuthError):
    """Report an answer 403: the user is known but may not do this."""


class QuotaExceededError(AuthorizationError):
    """Report a quota that is used up; a check made before sending has ``status`` None.

    ``used``, ``limit`` and ``needed`` are in the quota's own unit, None where unknown.
    """

    def __init__(
        self,
        *args: object,
        used: float | None = None,
        limit: float | None = None,
        needed: float | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(*args, **facts)
        self.used = used
        self.limit = limit
        self.needed = needed


class ResourceNotFound(ResponseError, ValueError):
    """Report an answer 404, or a blob key that is absent from its bucket."""


class ServerNotAvailable(ResponseError, ValueError):
    """Report an answer 502, 503 or 504: the service is restarting or overloaded.

    ``retry_after`` is the pause in seconds that the server asked for, None if it named none.
    """

    def __init__(self, *args: object, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.retry_after = retry_after


class IllegalArgumentError(ResponseError, ValueError):
    """Report an answer 400, or any error status that has no class of its own.

    ``payload`` is the decoded JSON body when it has ``error`` or ``errors``, else None.
    """

    def __init__(
        self, *args: object, payload: Mapping[str, Any] | None = None, **facts: Any
    ) -> None:
        super().__init__(*args, **facts)
        self.payload = payload


class ConflictError(IllegalArgumentError):
    """Report an answer 409: the resource was changed or created by somebody else."""


class PreconditionFailedError(IllegalArgumentError):
    """Report an answer 412: the object is not in the state that the request demanded."""


class RateLimitError(IllegalArgumentError):
    """Report an answer 429; ``retry_after`` is the pause in seconds the server asked for."""

    def __init__(self, *args: object, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.retry_after = retry_after


class ServerError(IllegalArgumentError):
    """Report an answer 5xx other than 502, 503 and 504: the service failed inside."""


class TransportError(NeuroError, OSError):
    """Report that no complete answer arrived: refused, reset, cut off, unresolved."""


class TransportTimeoutError(TransportError, TimeoutError):
    """Report that no answer arrived in time."""


class ProtocolError(NeuroError, ValueError):
    """Report an answer that cannot be read; the message names the JSON path where known."""


class TransferError(NeuroError):
    """Report a transfer of which something could not be moved.

    ``failures`` lists ``(key, exception)`` pairs, first failure first.
    """

    def __init__(self, *args: object, failures: Sequence[tuple[str, Exception]] = ()) -> None:
        super().__init__(*args)
        self.failures = tuple(failures)


class ChecksumMismatchError(TransferError):
    """Report bytes that arrived but are not the bytes that were sent."""


class SourceChangedError(TransferError):
    """Report a source that changed while it was read; ``entry`` names it."""

    def __init__(self, *args: object, entry: str | None = None) -> None:
        super().__init__(*args)
        self.entry = entry


class JobFailed(NeuroError):
    """Report that an awaited run ended without success.

    ``job`` is the final description, ``log_tail`` the last lines the run wrote (best effort).
    """

    def __init__(
        self,
        *args: object,
        job: Any = None,
        exit_code: int | None = None,
        reason: str | None = None,
        description: str | None = None,
        log_tail: Sequence[str] = (),
    ) -> None:
        super().__init__(*args)
        self.job = job
        self.exit_code = exit_code
        self.reason = reason
        self.description = description
        self.log_tail = tuple(log_tail)


class TrainingFailed(JobFailed):
    """Report an awaited training that ended without success."""


class TaskFailed(JobFailed):
    """Report an awaited workspace task that ended without success."""


class ExperimentFailed(JobFailed):
    """Report an awaited experiment that ended without success."""
