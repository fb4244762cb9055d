"""All errors that Tallystick raises on purpose: who caused them, their HTTP status, and whether a retry helps.

A backend wraps its driver's errors once and keeps the cause. An exception's docstring is its default message.
"""

from __future__ import annotations

from typing import Self


class TallystickError(Exception):
    """Something went wrong inside Tallystick."""

    status = 500
    code = "internal"
    retry_after: int | None = None
    """Seconds after which a client should try again; None: trying again will not help."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])

    @property
    def message(self) -> str:
        """One sentence, fit for the client."""
        return str(self.args[0])

    @property
    def whole(self) -> str:
        """The message and those of its causes, down to the driver's.

        For logs and for commands on this machine, never for a client: drivers' messages have paths, addresses and SQL.
        """
        words, cause = self.message, self.__cause__
        while cause is not None:
            reason = cause.message if isinstance(cause, TallystickError) else str(cause).strip() or type(cause).__name__
            words = words if reason in words else f"{words}: {reason}"
            cause = cause.__cause__ if isinstance(cause, TallystickError) else None
        return words

    @property
    def public(self) -> str:
        """The message for a client."""
        return self.message


# --- the caller's fault: the same request will fail again -----------------------------------------------------------


class InvalidRequest(TallystickError):
    """The request cannot be understood."""

    status = 400
    code = "invalid_request"


class Unauthorized(TallystickError):
    """The request needs a key, and has none that this server knows."""

    status = 401
    code = "unauthorized"
    challenge = 'Bearer realm="Tallystick"'
    """The WWW-Authenticate header of the answer."""


class Forbidden(TallystickError):
    """The key does not allow this."""

    status = 403
    code = "forbidden"


class WrongPassword(Forbidden):
    """The current password is wrong."""

    code = "wrong_password"


class PasswordsOff(Forbidden):
    """This server takes no passwords (TALLYSTICK_PASSWORD_LOGIN): log in with its single sign-on."""

    code = "passwords_off"


class Csrf(Forbidden):
    """A login by cookie changes something only from this server's own pages, with X-CSRF-Token (GET /v1/session)."""

    code = "csrf"


class WrongHost(TallystickError):
    """Without read keys only localhost, 127.0.0.1 and [::1] are answered: ask there, or set TALLYSTICK_READ_KEYS."""

    status = 421
    code = "wrong_host"


class Untrusted(WrongHost):
    """Without a key, ask under an address or a name without a dot, or list the name in TALLYSTICK_TRUSTED_HOSTS."""


class TooLarge(TallystickError):
    """The request is larger than this server accepts."""

    status = 413
    code = "too_large"


class RequestTimeout(TallystickError):
    """The request's body took too long to arrive."""

    status = 408
    code = "request_timeout"


class UnsupportedEncoding(TallystickError):
    """The Content-Encoding is not one of gzip, deflate, zstd, identity."""

    status = 415
    code = "unsupported_encoding"


class NotFound(TallystickError):
    """There is nothing under that name."""

    status = 404
    code = "not_found"


class Changed(TallystickError):
    """Another client changed it meanwhile: load it again."""

    status = 409
    code = "changed"


class Conflict(TallystickError):
    """That does not go with what is there."""

    status = 409
    code = "conflict"


class InUse(TallystickError):
    """Something else needs it."""

    status = 409
    code = "in_use"


class LimitReached(TallystickError):
    """There may be no more of these."""

    status = 409
    code = "limit_reached"


class EventsWait(TallystickError):
    """Events that were accepted before are not stored yet."""

    status = 409
    code = "events_wait"


class QueryTooExpensive(TallystickError):
    """The query needs more memory than a query may use: narrow its time range, filters or breakdown."""

    status = 422
    code = "query_too_expensive"


class MemoryTaken(QueryTooExpensive):
    """Other work holds the memory that the query needs: send it again, or narrow its range, filters or breakdown."""

    def __init__(self, message: str | None = None, pause: float = 0.0) -> None:
        """
        Args:
            pause: fewest seconds until the query may begin again.
        """
        super().__init__(message)
        self.pause = pause


class QueryTimeout(TallystickError):
    """The query did not finish before its deadline: narrow its time range, or raise TALLYSTICK_QUERY_TIMEOUT."""

    status = 504
    code = "query_timeout"


class TooMany(TallystickError):
    """This key has as many of these as one may have at a time."""

    status = 429
    code = "too_many"
    retry_after = 5


class QuotaExceeded(TallystickError):
    """This key or this site has sent more than its quota."""

    status = 429
    code = "quota_exceeded"

    def __init__(self, message: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyAttempts(TallystickError):
    """There were too many failed logins in a row."""

    status = 429
    code = "too_many_attempts"

    def __init__(self, seconds: int) -> None:
        """`seconds`: until the next may be tried."""
        super().__init__(f"too many failed logins in a row: try again in {seconds} s")
        self.retry_after = seconds


# --- login with OpenID Connect: shown as a page, since a browser is on its way --------------------------------------


class SignOnError(TallystickError):
    """The login did not succeed."""

    status = 403
    code = "sign_on"


class SignOnExpired(SignOnError):
    """This login was not begun in this browser, took longer than ten minutes, or has ended already: begin again."""

    status = 400
    code = "sign_on_expired"


class SignOnDenied(SignOnError):
    """The provider did not let you in, or you did not let it pass your e-mail address on."""

    code = "sign_on_denied"


class UnknownPerson(SignOnError):
    """The person has no account here."""

    code = "unknown_person"


class EmailNotVerified(SignOnError):
    """The provider does not say that your e-mail address is verified, and you were never here: verify it there."""

    code = "email_not_verified"


class OtherPerson(SignOnError):
    """The account with your e-mail address belongs to another person of the provider: ask an administrator."""

    code = "other_person"


class ProviderAnswer(SignOnError):
    """The provider's answer cannot be trusted. The server's log says why."""

    status = 502
    code = "provider_answer"


class ClocksDiffer(ProviderAnswer):
    """The clocks of this server and of the provider differ too much: their operators have to set them."""

    code = "clocks_differ"


# --- temporary: the same request may succeed later ------------------------------------------------------------------


class Unavailable(TallystickError):
    """A part of Tallystick cannot work right now; trying again is safe."""

    status = 503
    code = "unavailable"
    retry_after = 1

    def naming(self, variable: str) -> Self:
        """This error while a server is opened for the first time: with the setting that has its address."""
        return type(self)(f"{variable}: {self.message}; start the server, or correct its address in this setting")


class ProviderUnavailable(Unavailable):
    """The provider of the login does not answer."""

    code = "provider_unavailable"
    retry_after = 5


class QueueFull(Unavailable):
    """The queue's budget or the disk's reserve is reached; nothing of this request was taken."""

    code = "queue_full"
    retry_after = 5


class QueueUnavailable(Unavailable):
    """The queue did not confirm; the events may or may not have been taken, so send them again with the same ids."""

    code = "queue_unavailable"


class QueueBroken(QueueUnavailable):
    """The queue's file failed on reading or writing; the process ends, and the next start checks the file."""

    code = "queue_broken"


class StoreUnavailable(Unavailable):
    """The store cannot be reached or cannot write; accepted events wait in the queue."""

    code = "store_unavailable"
    retry_after = 5


class StoreDamaged(StoreUnavailable):
    """The store's data are damaged; accepted events wait in the queue. The server's log says what to do."""

    code = "store_damaged"
    retry_after = 60


class BatchTooLarge(StoreUnavailable):
    """The store has no memory for so many events at once; fewer may fit."""


# --- the data's fault -----------------------------------------------------------------------------------------------


class DataRejected(TallystickError):
    """The store cannot take some of these events, whatever is tried; the worker sets them aside as dead letters. Or it
    cannot take a text of a request, such as one with a NUL character on PostgreSQL.
    """

    status = 400
    code = "data_rejected"

    @property
    def public(self) -> str:
        """A fixed text. The message goes into the dead letter, whose reader needs the driver's message."""
        return "the store cannot take a text of this request: no text may hold a NUL character"


class BlockCorrupt(TallystickError):
    """A block's bytes are not what was written: its checksum, header or compression is broken."""

    code = "block_corrupt"


# --- the operator's fault: Tallystick refuses to start ---------------------------------------------------------------


class ConfigError(TallystickError):
    """A setting is missing or wrong."""

    code = "config"


class AlreadyRunning(ConfigError):
    """Another Tallystick process holds this data folder."""

    code = "already_running"


class QueueDamaged(ConfigError):
    """The queue's file is not what Tallystick wrote. `tallystick recover queue` keeps it and rebuilds the queue."""

    code = "queue_damaged"


class SchemaTooNew(ConfigError):
    """The store was written by a newer Tallystick: upgrade, or restore a backup made by this version."""

    code = "schema_too_new"
