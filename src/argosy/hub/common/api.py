"""Tokens: how one logs in."""

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from argosy.hub.common.fields import Choice, StrictSerializer, Text

FAILURES_KEPT = 60
"""Seconds a failed login counts."""


class LoginThrottle(SimpleRateThrottle):
    """Ten failed logins a minute from one address; those that succeed are not counted."""

    rate = "10/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """Return under which name failures of this address are counted."""
        return f"login-{self.get_ident(request)}"

    def throttle_success(self) -> bool:
        """Let through, counting nothing yet."""
        return True

    def failed(self) -> None:
        """Count a failure."""
        self.history.insert(0, self.now)
        self.cache.set(self.key, self.history, FAILURES_KEPT)


class LoginSerializer(StrictSerializer):
    """What a login needs."""

    username = Text(write_only=True)
    password = Text(write_only=True)


class TokensSerializer(serializers.Serializer[Any]):
    """What a login gives."""

    access = Text()
    refresh = Text()


class RefreshSerializer(StrictSerializer):
    """A refresh token for an access token."""

    refresh = Text(write_only=True)
    access = Text(read_only=True)


class VerifySerializer(StrictSerializer):
    """A token and its kind."""

    token = Text()
    type = Choice(choices=["access", "refresh"], required=False)


class KeySetSerializer(serializers.Serializer[Any]):
    """The keys that verify tokens (JWKS)."""

    keys = serializers.ListField(child=serializers.DictField(child=Text()))


class PublicView(APIView):
    """A view that needs no token, because it is how one gets or checks one."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a refusal is a 401."""
        return 'Bearer realm="api"'


class LoginView(PublicView):
    """Log in."""

    @extend_schema(request=LoginSerializer, responses={201: TokensSerializer}, auth=[])
    def post(self, request: Request) -> Response:
        """Answer 201 with an access token (1 hour) and a refresh token (1 day)."""
        sent = LoginSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        throttle = LoginThrottle()
        if not throttle.allow_request(request, self):
            raise Throttled(throttle.wait(), "too many failed logins")
        user = authenticate(**sent.validated_data)
        if user is None:
            throttle.failed()
            raise AuthenticationFailed("user name or password is wrong")
        refresh = RefreshToken.for_user(user)
        tokens = {"access": str(refresh.access_token), "refresh": str(refresh)}
        return Response(tokens, status=status.HTTP_201_CREATED)


class RefreshView(PublicView):
    """Trade a refresh token."""

    @extend_schema(request=RefreshSerializer, responses={201: RefreshSerializer}, auth=[])
    def post(self, request: Request) -> Response:
        """Answer 201 with a new access token, as long as the user exists and kept the password."""
        sent = RefreshSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        refresh = RefreshToken(sent.validated_data["refresh"])
        _owner(refresh)
        return Response({"access": str(refresh.access_token)}, status=status.HTTP_201_CREATED)


class VerifyView(PublicView):
    """Check a token."""

    @extend_schema(request=VerifySerializer, responses={201: VerifySerializer}, auth=[])
    def post(self, request: Request) -> Response:
        """Answer 201 if the token is not expired and its owner exists and is active, else 401."""
        sent = VerifySerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        kind = RefreshToken if sent.validated_data.get("type") == "refresh" else AccessToken
        _owner(kind(sent.validated_data["token"]))
        return Response(sent.data, status=status.HTTP_201_CREATED)


class PublicKeyView(PublicView):
    """The key that verifies tokens."""

    @extend_schema(responses=KeySetSerializer, auth=[])
    def get(self, request: Request) -> Response:
        """Answer the key set (RFC 7517)."""
        key = load_pem_public_key(settings.KEYS.verifying.encode())
        assert isinstance(key, RSAPublicKey)
        numbers = key.public_numbers()
        rsa = {"kty": "RSA", "alg": "RS256", "use": "sig", "n": _base64(numbers.n), "e": _base64(numbers.e)}
        return Response({"keys": [rsa]})


def _owner(token: Token) -> AbstractBaseUser:
    owner: AbstractBaseUser = JWTAuthentication().get_user(token)
    return owner


def _base64(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
