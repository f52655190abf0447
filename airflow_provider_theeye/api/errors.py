"""What can go wrong when TheEye is asked something: one exception class per kind.

Every error says the HTTP status, the request (method and path, secrets left out) and what TheEye
answered. Errors travel between processes, so all of them can be pickled: whatever is not the message has a default.
"""

from __future__ import annotations

__all__ = [
    "AgentsToken",
    "AuthenticationFailed",
    "CertificateRefused",
    "Conflict",
    "Forbidden",
    "ForeignJob",
    "InvalidRequest",
    "NoAnswer",
    "NotFound",
    "NotVisible",
    "Page",
    "RateLimited",
    "RouteNotFound",
    "Silence",
    "TheEyeError",
    "TooLarge",
    "Unavailable",
    "UnexpectedReply",
    "WrongOrganization",
    "WrongPlace",
]


class TheEyeError(Exception):
    """Base of everything that the API layer raises.

    :param message: what happened, for a person; holds no token and no secret.
    :param request: method and path as sent, for example ``GET /demo/job/5cdc…``, secrets replaced.
    :param status: HTTP status, or ``None`` if there was no answer.
    :param retry_after: seconds that the server asked to wait (header ``Retry-After``), or ``None``.
    """

    #: What the person on call should do; one sentence, empty if the message says it all.
    advice = ""
    #: Whether the same request may well succeed a little later.
    transient = False
    #: Whether it is certain that the same request brings the same again, however long one waits.
    lasting = False

    def __init__(
        self,
        message: str,
        *,
        request: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request = request
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        answered = f"TheEye answered {self.status}" if self.status is not None else "TheEye"
        text = f"{answered}: {self.message}" if self.message else answered
        if self.request:
            text += f" ({self.request})"
        return f"{text}. {self.advice}" if self.advice else text


class AuthenticationFailed(TheEyeError):
    """401: no token, a token that TheEye does not know or has revoked, or two tokens at once."""

    advice = "Check the integration token in the password field of the Airflow connection."


class AgentsToken(AuthenticationFailed):
    """The token is that of a host's agent, whose question for jobs means something else."""

    advice = (
        "TheEye shows an agent no lists. Put an integration token into the password field of the Airflow connection."
    )


class Forbidden(TheEyeError):
    """403: the token's role is too low, or the secret key belongs to another task."""

    advice = "Check the role of the token's user, or the task's secret key."


class NotVisible(Forbidden):
    """TheEye lists everything that the token's user may see, and the job is not in the list."""

    advice = (
        "Add the user to the access list (acl) of the job's task or workflow in TheEye, or use a token with the role "
        "admin or higher, such as an integration token."
    )


class WrongOrganization(TheEyeError):
    """409 or 404: the organization does not exist or is not the token's."""

    advice = "Check the organization in the schema field of the Airflow connection."


class ForeignJob(WrongOrganization):
    """The job is there and belongs to another organization."""

    lasting = True


class WrongPlace(TheEyeError):
    """Nothing was asked: the Airflow connection leads to another server or organization than the job lives in."""

    advice = "Nothing was started. Let the connection lead there again until the job is over."

    def __str__(self) -> str:
        return f"{self.message}. {self.advice}"


class NotFound(TheEyeError):
    """404: nothing with that id; a job's record may also have been deleted by TheEye's retention."""


class RouteNotFound(NotFound):
    """404 or 405 for the path itself: this server does not know the route (another version, or a wrong URL)."""

    advice = "Check the host of the Airflow connection and the version of the TheEye server."


class InvalidRequest(TheEyeError):
    """400 and other 4xx, an answer that is too large: the request can never succeed as it is."""


class TooLarge(InvalidRequest):
    """The answer is larger than the limit. It was not read to its end."""

    lasting = True


class Conflict(InvalidRequest):
    """409: the job is not in a state that allows this, for example an approval that was decided already."""


class RateLimited(TheEyeError):
    """429: too many requests; ``retry_after`` holds the wait that was asked for."""

    transient = True


class Unavailable(TheEyeError):
    """5xx: TheEye, its gateway or a proxy before it is in trouble."""

    transient = True


class NoAnswer(TheEyeError):
    """The connection failed, broke off, or the answer took too long.

    :param sent: whether the request may have reached the server. ``False`` only if no connection was made.
    """

    transient = True

    def __init__(
        self,
        message: str,
        *,
        request: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(message, request=request, status=status, retry_after=retry_after)
        self.sent = sent

    def __str__(self) -> str:
        return f"no answer from TheEye: {self.message}" + (f" ({self.request})" if self.request else "")


class CertificateRefused(NoAnswer):
    """Nothing was sent: the server's certificate is not to be trusted."""

    advice = (
        "If an authority of your own has signed it, name its CA bundle in 'verify' (extra of the Airflow connection); "
        "false switches the check off"
    )

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.advice}"


class Silence(NoAnswer):
    """TheEye took a request that it may leave unanswered, instead of refusing it, and has sent nothing since."""

    advice = (
        "TheEye keeps silent like this if the role of the token's user is below admin and the access list (acl) of the "
        "job's task or workflow is empty: add the user to it, or use a token of a higher role"
    )

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.advice}"


class UnexpectedReply(TheEyeError):
    """An answer that is not TheEye's: no JSON, another shape, a redirect, a 404 by somebody else.

    Counts as transient: a proxy's HTML page or a body that was cut is gone a moment later.
    """

    transient = True


class Page(UnexpectedReply):
    """A page for people instead of an answer of TheEye's API."""

    advice = (
        "A proxy answers like this, and so does a TheEye gateway outside of its API: if the host of the Airflow "
        "connection is a gateway, its address must end in /apiv3."
    )
