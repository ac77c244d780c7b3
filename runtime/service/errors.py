"""What a client is told when its request is not answered."""

from __future__ import annotations


class RequestError(Exception):
    """A request that is not answered.

    status: HTTP's number for the reason, or 499 for a client that has gone; gRPC's follows from it.
    text: one sentence for the client.
    retry_after: seconds after which the same request may be answered; only with 503.
    """

    def __init__(self, status: int, text: str, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.retry_after = retry_after

    def copy(self) -> RequestError:
        """Give the same error without its traceback, whose frames hold the request's body."""
        return RequestError(self.status, self.text, self.retry_after)


def bad_request(text: str) -> RequestError:
    """Make the error for a request that nobody could answer."""
    return RequestError(400, text)


def quoted(value: object) -> str:
    """Quote a client's or a file's value for a message: on one line, at most 80 letters."""
    text = (
        value
        if isinstance(value, str)
        else type(value).__name__
        if not isinstance(value, int)
        else str(value)
    )
    return ascii(text[:80] + ("…" if len(text) > 80 else ""))
