"""Login with OpenID Connect: what is asked of the provider, and what of its answers is believed.

Authorization code flow with PKCE (RFC 7636), state and nonce, by OpenID Connect Core 1.0 (section 3.1) and Discovery
1.0. By which account the person enters whom the provider names is decided in `store.py`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus

import httpx
import msgspec
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import BadSignatureError, ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet

from tallystick.access.model import Identity
from tallystick.access.sign_on import CALLBACK, Secrets
from tallystick.config import Settings, safe_address
from tallystick.errors import ClocksDiffer, ProviderAnswer, ProviderUnavailable, SignOnError

log = structlog.get_logger(__name__)

SCOPE = "openid email profile"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures of ID tokens that count: by a key that the provider alone has. `none` and the client's secret do not."""
LEEWAY = 120
"""Seconds by which the provider's clock may differ from this one."""
ANSWER_MAX = 1024 * 1024
"""Most bytes of an answer."""
KNOWN_FOR = 3_600.0
"""Seconds after which discovery document and keys are read again."""
AGAIN_AFTER = 5.0
"""Seconds in which the provider is not asked again for a document that it did not give, or for keys that it gave."""
SUBJECT_MAX = 255
"""Most characters of a subject (Core 1.0, section 2)."""


class Discovery(msgspec.Struct, frozen=True):
    """What is used of the discovery document (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False

    @property
    def auth_methods(self) -> tuple[str, ...]:
        return self.token_endpoint_auth_methods_supported or ("client_secret_basic",)


class Provider:
    """The provider that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self.name = settings.oidc_name
        self.issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret
        self._redirect_uri = settings.public_origin + CALLBACK
        self._seconds = settings.oidc_timeout
        self._discovery: Discovery | None = None
        self._discovered = 0.0
        self._keys: KeySet | None = None
        self._keys_read = 0.0
        self._failure: tuple[float, type[SignOnError | ProviderUnavailable]] | None = None
        self._reading = asyncio.Lock()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # It reads the certificates of all authorities, or those of SSL_CERT_FILE, so it is made once.
        return httpx.create_ssl_context()

    # --- discovery ------------------------------------------------------------------------------------------------

    async def discovery(self) -> Discovery:
        """The discovery document, at most an hour old.

        Raises:
            ProviderUnavailable: the provider does not answer.
            ProviderAnswer: what it answers is no such document, or another issuer's.
        """
        async with self._reading:
            if self._discovery is not None and _clock() - self._discovered < KNOWN_FOR:
                return self._discovery
            if self._failure is not None and _clock() - self._failure[0] < AGAIN_AFTER:
                raise self._failure[1]()
            try:
                self._discovery = await self._read_discovery()
            except (SignOnError, ProviderUnavailable) as error:
                self._failure = _clock(), type(error)
                raise
            self._discovered = _clock()
            return self._discovery

    async def _read_discovery(self) -> Discovery:
        url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        text = await self._get(url)
        try:
            found = msgspec.json.decode(text, type=Discovery)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _untrusted(f"{url} is no discovery document: {error}") from None
        if found.issuer != self.issuer:
            raise _untrusted(f"{url} is of the issuer {found.issuer[:200]!r}, not of {self.issuer!r}")
        used = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint or ""]
        for address in filter(None, used):
            if not safe_address(address):
                raise _untrusted(f"{url} names {address[:200]!r}, which is not reached over https")
        return found

    # --- the way there --------------------------------------------------------------------------------------------

    async def login_page(self, secrets: Secrets) -> str:
        """The address of the provider's login. Raises as `discovery`."""
        discovery = await self.discovery()
        address: str = prepare_grant_uri(
            discovery.authorization_endpoint,
            self._client_id,
            "code",
            redirect_uri=self._redirect_uri,
            scope=SCOPE,
            state=secrets.state,
            nonce=secrets.nonce,
            code_challenge=create_s256_code_challenge(secrets.verifier),
            code_challenge_method="S256",
        )
        return address

    # --- the way back ---------------------------------------------------------------------------------------------

    async def identity(self, code: str, issuer: str | None, secrets: Secrets) -> Identity:
        """Whom the provider let in.

        Args:
            code: what the browser brought back.
            issuer: `iss` beside it, by which a mix-up of providers is noticed (RFC 9207); None: it had none.

        Raises:
            ProviderUnavailable: the provider does not answer.
            ProviderAnswer: its answer cannot be trusted.
            ClocksDiffer: the ID token is of a time that is past or to come.
        """
        try:
            async with asyncio.timeout(2 * self._seconds):
                return await self._identity(code, issuer, secrets)
        except TimeoutError:
            raise ProviderUnavailable from None

    async def _identity(self, code: str, issuer: str | None, secrets: Secrets) -> Identity:
        discovery = await self.discovery()
        if issuer != self.issuer and (issuer or discovery.authorization_response_iss_parameter_supported):
            raise _untrusted(f"the login came back from the issuer {(issuer or '')[:200]!r}")
        tokens = await self._exchange(discovery, code, secrets.verifier)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise _untrusted("the token endpoint gave no ID token, or no access token")
        claims = await self._verified(discovery, id_token, access_token, secrets.nonce)
        subject = claims["sub"]
        if not subject or len(subject) > SUBJECT_MAX or not subject.isprintable():
            raise _untrusted("the ID token has no usable subject")
        # Core 1.0, section 5.4: with an access token, the claims of a scope may be at the UserInfo endpoint alone.
        if discovery.userinfo_endpoint and not {"email", "email_verified"} <= claims.keys():
            claims = {**claims, **await self._user_info(discovery.userinfo_endpoint, access_token, subject)}
        # Amazon Cognito writes the claim as a text.
        verified = claims.get("email_verified") in (True, "true")
        return Identity(self.issuer, subject, _text(claims, "email"), verified, _text(claims, "name"))

    async def _exchange(self, discovery: Discovery, code: str, verifier: str) -> Mapping[str, Any]:
        """The answer of the token endpoint (Core 1.0, section 3.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        auth: httpx.BasicAuth | None = None
        secret = self._client_secret.get_secret_value()
        if secret and "client_secret_basic" in discovery.auth_methods:
            # RFC 6749, section 2.3.1: both are encoded as in a form before.
            auth = httpx.BasicAuth(quote_plus(self._client_id), quote_plus(secret))
        else:
            form |= {"client_id": self._client_id} | ({"client_secret": secret} if secret else {})
        status, body = await self._ask("POST", discovery.token_endpoint, data=form, auth=auth)
        answer = _object(body)
        if status != 200 or answer is None:
            word = _word(answer.get("error") if answer else None)
            raise _untrusted(f"the token endpoint answered {status}{word}")
        return answer

    async def _verified(self, discovery: Discovery, id_token: str, access_token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token, checked as Core 1.0, section 3.1.3.7 demands."""
        keys = await self._key_set(discovery, self._keys_read + KNOWN_FOR)
        try:
            try:
                token = jwt.decode(id_token, keys, algorithms=ALGORITHMS)
            except (InvalidKeyIdError, BadSignatureError):  # the provider may have a new key
                token = jwt.decode(id_token, await self._key_set(discovery), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={"iss": {"essential": True, "value": self.issuer}, "aud": {"value": self._client_id}},
                params={"nonce": nonce, "client_id": self._client_id, "access_token": access_token},
            )
            claims.validate(now=int(_now()), leeway=LEEWAY)
        except ClaimError as error:
            if isinstance(error, ExpiredTokenError) or error.claim in ("iat", "nbf"):
                log.warning("a login is refused: the clocks of server and provider differ", claim=error.claim)
                raise ClocksDiffer from None
            raise _untrusted(f"the ID token is refused for its claim {error.claim}") from None
        except (JoseError, ValueError) as error:
            raise _untrusted(f"the ID token is refused: {type(error).__name__}") from None
        return dict(claims)

    async def _key_set(self, discovery: Discovery, until: float = 0.0) -> KeySet:
        """The provider's keys.

        Args:
            until: by `_clock`; before, those that were read last are taken.
        """
        async with self._reading:
            now = _clock()
            if self._keys is not None and now < max(until, self._keys_read + AGAIN_AFTER):
                return self._keys
            answer = _object(await self._get(discovery.jwks_uri))
            found = answer.get("keys") if answer else None
            if not isinstance(found, list):
                raise _untrusted(f"{discovery.jwks_uri} is no set of keys")
            self._keys = KeySet([key for one in found if (key := _signing_key(one)) is not None])
            self._keys_read = now
            return self._keys

    async def _user_info(self, address: str, access_token: str, subject: str) -> dict[str, Any]:
        """E-mail address and name from the UserInfo endpoint (Core 1.0, section 5.3)."""
        status, body = await self._ask("GET", address, headers={"Authorization": f"Bearer {access_token}"})
        answer = _object(body)
        if status != 200 or answer is None:
            raise _untrusted(f"the UserInfo endpoint answered {status}")
        if answer.get("sub") != subject:
            raise _untrusted("the UserInfo endpoint answered about another person")
        return {name: answer[name] for name in ("email", "email_verified", "name") if name in answer}

    # --- HTTP -----------------------------------------------------------------------------------------------------

    async def _get(self, url: str) -> bytes:
        status, body = await self._ask("GET", url)
        if status >= 500 or status == 429:
            log.warning("the provider of the login does not answer", url=url, status=status)
            raise ProviderUnavailable
        if status != 200:
            raise _untrusted(f"{url} answered {status}")
        return body

    async def _ask(self, method: str, url: str, **more: Any) -> tuple[int, bytes]:
        """Status and body of an answer. Follows no redirect, which could lead secrets elsewhere."""
        headers = {"Accept": "application/json", **more.pop("headers", {})}
        try:
            async with asyncio.timeout(self._seconds):
                async with httpx.AsyncClient(timeout=self._seconds, verify=self._tls) as client:
                    async with client.stream(method, url, headers=headers, **more) as answer:
                        body = b""
                        async for part in answer.aiter_bytes():
                            body += part
                            if len(body) > ANSWER_MAX:
                                raise _untrusted(f"{url} answered with more than {ANSWER_MAX} bytes")
                        return answer.status_code, body
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            log.warning("the provider of the login does not answer", url=url, error=str(error) or type(error).__name__)
            raise ProviderUnavailable from None


def _signing_key(found: object) -> Key | None:
    """A key that can have signed a token; None: it is of another kind, which a set may have as well."""
    if not isinstance(found, dict) or found.get("kty") == "oct" or found.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(found)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    return found if isinstance(found, str) else ""


def _word(error: object) -> str:
    """An error code of OAuth for the log, and nothing else that a provider may write there."""
    return f" {error}" if isinstance(error, str) and len(error) < 50 and error.replace("_", "").isalnum() else ""


def _untrusted(why: str) -> ProviderAnswer:
    log.warning("the answer of the login's provider cannot be trusted", why=why)
    return ProviderAnswer()


def _now() -> float:
    """Seconds since 1970."""
    return time.time()


def _clock() -> float:
    """Seconds of a clock that nobody sets."""
    return time.monotonic()
