"""The shapes in which TheEye says no. Which part of the server speaks decides the shape, not the reason."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """An answer that is not a success. `body` is what becomes JSON; None means no body at all."""

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def text(status: int, message: str) -> Refused:
    """A bare JSON string: the older parts of the server."""
    return Refused(status, message)


def message(status: int, words: str) -> Refused:
    """`{"statusCode", "message"}`: the newer parts."""
    return Refused(status, {"statusCode": status, "message": words})


def code(status: int, name: str, words: str) -> Refused:
    """`{"code", "message"}`: the HTTP framework itself."""
    return Refused(status, {"code": name, "message": words})


def stack(status: int, words: str, **more: str) -> Refused:
    """`{"stack", "message", "statusCode"}`: an exception that escapes with its stack trace."""
    return Refused(status, {"stack": f"Error: {words}\n    at sandbox", "message": words, **more, "statusCode": status})


def empty(status: int) -> Refused:
    """No body."""
    return Refused(status)


def internal() -> Refused:
    """What any bug of the server looks like."""
    return text(500, "Internal Server Error")


def unauthorized() -> Refused:
    """No token, a wrong scheme, or two tokens at once."""
    return text(401, "Unauthorized")


def authentication_failed() -> Refused:
    """A token that the gateway does not know."""
    return stack(
        401,
        "authentication failed",
        name="authentication failed",
        body='{"message":"Unauthorized","statusCode":401}',
    )


def forbidden() -> Refused:
    """The role is too low."""
    return text(403, "forbidden")


def organization_not_found() -> Refused:
    """No organization has that name."""
    return text(404, "organization not found")


def session_conflict() -> Refused:
    """The organization exists, but it is not the token's."""
    return stack(409, "Incorrect Organizations. Session conflict")


def job_not_found() -> Refused:
    """Unknown, or deleted by retention."""
    return text(404, "job not found")


def invalid_arguments(count: int) -> Refused:
    """Fewer values than the task has arguments (fixed ones not counted)."""
    return message(400, f"Invalid Task Arguments. An array of length {count} is required. Optionals must be null")
