"""What can go wrong with bunq.

BunqError                    bunq gave no usable answer
├── TransportFailed          no response: refused, DNS, TLS, timed out, cut off
│   └── RequestNotSent       bunq never got the request: trying again is safe even for a POST
├── CallNotAllowedYet        our own limiter: the call was not made, bunq would have refused it
├── ResponseNotTrusted       a success that bunq's key did not sign
├── ResponseNotUnderstood    not the documented shape
└── RequestRefused           bunq said no
    ├── CredentialsRejected  401, or 403 with the message of a dead session: open a session once more
    ├── PermissionRefused    403 otherwise
    ├── SecretRefused        400 "User credentials are incorrect": API key, grant or address not accepted
    ├── InstallationTaken    400 "already has a user session": of the time when an installation had one session
    ├── ObjectNotFound       404
    ├── RateLimited          429, and the sandbox's 409
    ├── BunqUnavailable      491 and 5xx
    └── CodeRefused          the token endpoint did not accept the authorization code

https://doc.bunq.com/basics/errors
"""


class BunqError(Exception):
    """bunq gave no usable answer. The text never holds a secret."""


class TransportFailed(BunqError):
    """No response. The request may or may not have reached bunq."""


class RequestNotSent(TransportFailed):
    """No connection could be made, so bunq did not get the request."""


class CallNotAllowedYet(BunqError):
    """The call was held back to keep bunq's limits; `wait_s` seconds remain."""

    def __init__(self, endpoint: str, wait_s: float) -> None:
        super().__init__(f"{endpoint}: bunq allows the next call in {wait_s:.1f} s")
        self.endpoint = endpoint
        self.wait_s = wait_s


class ResponseNotTrusted(BunqError):
    """A success without bunq's valid signature over its exact bytes."""

    def __init__(self, text: str, response_id: str | None) -> None:
        super().__init__(text)
        self.response_id = response_id


class ResponseNotUnderstood(BunqError):
    """An answer that is not of the documented shape."""

    def __init__(self, text: str, *, status: int | None = None, response_id: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.response_id = response_id


class RequestRefused(BunqError):
    """bunq said no: `status`, bunq's own messages, and its response id, which bunq's support asks for."""

    def __init__(self, status: int, descriptions: list[str], response_id: str | None) -> None:
        super().__init__(f"{status} {'; '.join(descriptions) or 'without a message'}")
        self.status = status
        self.descriptions = descriptions
        self.response_id = response_id


class CredentialsRejected(RequestRefused):
    """The session (or installation) token is not accepted any more."""


class PermissionRefused(RequestRefused):
    """The session works, but may not do this."""


class SecretRefused(RequestRefused):
    """The secret is not accepted: revoked, wrong, or used from an address that bunq does not know."""


class InstallationTaken(RequestRefused):
    """The installation has a session already, and bunq allows it no second one: another installation is needed."""


class ObjectNotFound(RequestRefused):
    """bunq has no such object for this session."""


class RateLimited(RequestRefused):
    """Too many calls; `wait_s` is read from bunq's message when it names the period, in seconds."""

    wait_s: float = 0.0


class BunqUnavailable(RequestRefused):
    """bunq is in maintenance or broken; later it may answer."""


class CodeRefused(RequestRefused):
    """The token endpoint refused the exchange; `error` is its short OAuth name, such as invalid_grant."""

    error: str = ""
