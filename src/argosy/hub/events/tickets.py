"""Tickets: a browser's EventSource sends no headers, so what it may show has to stand in the address.

A ticket opens nothing but streams, and only for a moment: addresses end up in logs and histories.
"""

from datetime import timedelta
from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

LIFETIME = timedelta(seconds=60)
"""How long a ticket may be used."""
UNTIL = "until"
"""Claim of a ticket: when the login ends with which it was got, and with it the stream."""


class Ticket(Token):
    """A token that the rest of the API does not take."""

    token_type = "events"  # noqa: S105 - a word, no secret
    lifetime = LIFETIME


def ticket_for(user: AbstractBaseUser, access: Token) -> Ticket:
    """Return a ticket for who is logged in with the token."""
    ticket = Ticket.for_user(user)
    ticket[UNTIL] = ends(access)
    return ticket


def ends(token: Token) -> float:
    """Return when the login of a token or ticket ends, in seconds of the epoch."""
    return float(token.get(UNTIL, token["exp"]))


def owner(token: Token) -> User | None:
    """Return the owner of the token; None where he exists or is active no more, or has another password by now."""
    try:
        return cast("User", JWTAuthentication().get_user(token))
    except AuthenticationFailed:
        return None


def login_of(token: Token) -> tuple[object, ...]:
    """Return what `owner` goes by: the same for all tokens that he got with one password."""
    return tuple(token.get(claim) for claim in (api_settings.USER_ID_CLAIM, api_settings.REVOKE_TOKEN_CLAIM))


class TicketAuthentication(BaseAuthentication):
    """Lets in who shows a ticket."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Token] | None:
        """Return the owner and the ticket; None where none is shown.

        Raises:
            AuthenticationFailed: it is none, has run out, or its owner may not use it any more.
        """
        shown: Any = request.query_params.get("ticket")
        if shown is None:
            return None
        try:
            ticket = Ticket(shown)
        except TokenError as error:
            raise AuthenticationFailed(
                f"the ticket cannot be used ({error}): get another by POST /api/events/ticket/"
            ) from error
        return JWTAuthentication().get_user(ticket), ticket


class TicketScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the documentation names it."""

    target_class = TicketAuthentication
    name = "ticket"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - the framework's
        """Return where it stands."""
        return {"type": "apiKey", "in": "query", "name": "ticket"}
