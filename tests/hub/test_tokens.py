import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from django.contrib.auth.models import User
from django.core.cache import cache
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from argosy.hub.project import boot
from tests.hub.home import PASSWORD


@pytest.fixture(autouse=True)
def _no_failures_yet():
    cache.clear()


@pytest.fixture
def user():
    user = User.objects.create_user("ann", password="a long password")
    yield user
    user.delete()


def login(client, username="admin", password=PASSWORD):
    return client.post("/api/auth/token/", {"username": username, "password": password})


def use(client, token):
    return client.get("/api/sites/", HTTP_AUTHORIZATION=f"Bearer {token}")


@pytest.mark.feature("HUB-AUTH-001", "HUB-AUTH-002")
def test_name_and_password_give_two_tokens_and_the_access_token_opens_the_api(anonymous):
    answer = login(anonymous)
    assert answer.status_code == 201
    assert set(answer.json()) == {"access", "refresh"}
    assert use(anonymous, answer.json()["access"]).status_code == 200


@pytest.mark.feature("HUB-AUTH-003", "HUB-AUTH-004", "HUB-AUTH-008")
def test_access_lasts_an_hour_refresh_a_day_and_both_are_signed_with_rs256(user):
    refresh = RefreshToken.for_user(user)
    for token, seconds in ((refresh.access_token, 3600), (refresh, 86400)):
        claims = jwt.decode(str(token), options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == seconds
        assert jwt.get_unverified_header(str(token))["alg"] == "RS256"


@pytest.mark.feature("HUB-AUTH-005")
def test_a_refresh_token_gives_a_new_access_token(anonymous, user):
    answer = anonymous.post("/api/auth/token/refresh/", {"refresh": str(RefreshToken.for_user(user))})
    assert answer.status_code == 201
    assert use(anonymous, answer.json()["access"]).status_code == 200


@pytest.mark.feature("HUB-AUTH-006")
def test_tokens_that_are_expired_forged_or_of_the_wrong_kind_open_nothing(anonymous, user):
    expired = AccessToken.for_user(user)
    expired.set_exp(lifetime=-expired.lifetime)
    forged = jwt.encode({"user_id": str(user.pk), "token_type": "access", "exp": time.time() + 99}, "x" * 32)
    unsigned = jwt.encode({"user_id": str(user.pk), "token_type": "access", "exp": time.time() + 99}, None, "none")
    for token in (expired, forged, unsigned, RefreshToken.for_user(user), "x", ""):
        assert use(anonymous, token).status_code == 401
    assert anonymous.post("/api/auth/token/refresh/", {"refresh": str(expired)}).status_code == 401


@pytest.mark.feature("HUB-AUTH-007")
def test_only_tokens_of_users_who_exist_and_are_active_verify(anonymous, user):
    def verify(token, kind="access"):
        return anonymous.post("/api/auth/token/verify/", {"token": str(token), "type": kind}).status_code

    refresh = RefreshToken.for_user(user)
    access = refresh.access_token
    assert (verify(access), verify(refresh, "refresh"), verify(refresh), verify("x")) == (201, 201, 401, 401)
    user.is_active = False
    user.save()
    assert verify(access) == 401
    assert anonymous.post("/api/auth/token/refresh/", {"refresh": str(refresh)}).status_code == 401
    other = User.objects.create_user("bob")
    token = AccessToken.for_user(other)
    other.delete()
    assert verify(token) == 401


@pytest.mark.feature("HUB-AUTH-009")
def test_the_published_key_verifies_tokens(anonymous, user):
    (key,) = anonymous.get("/api/auth/token/publickey/").json()["keys"]
    n, e = (int.from_bytes(base64.urlsafe_b64decode(key[name] + "==")) for name in "ne")
    claims = jwt.decode(str(AccessToken.for_user(user)), RSAPublicNumbers(e, n).public_key(), algorithms=["RS256"])
    assert claims["user_id"] == str(user.pk)


def test_a_wrong_password_and_an_unknown_user_are_refused_alike(anonymous):
    wrong, unknown = login(anonymous, password="x"), login(anonymous, "nobody", "x")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert "WWW-Authenticate" in wrong


@pytest.mark.parametrize("body", [{}, {"username": "admin"}, {"username": ["a"], "password": {}}, [], None])
def test_a_login_that_is_not_well_formed_is_answered_with_400(anonymous, body):
    assert anonymous.post("/api/auth/token/", json.dumps(body), content_type="application/json").status_code == 400


def test_failed_logins_are_throttled_and_good_ones_are_not(anonymous, monkeypatch):
    from argosy.hub.common import api

    monkeypatch.setattr(api, "authenticate", lambda **sent: None)
    assert [login(anonymous).status_code for _ in range(11)] == [401] * 10 + [429]
    cache.clear()
    admin = User.objects.get(username="admin")
    monkeypatch.setattr(api, "authenticate", lambda **sent: admin)
    assert {login(anonymous).status_code for _ in range(15)} == {201}


def test_a_new_password_ends_what_the_old_one_opened(anonymous, user):
    refresh = RefreshToken.for_user(user)
    made = boot.reset_password("ann", None)
    refused = use(anonymous, refresh.access_token)
    assert (refused.status_code, refused.json()["detail"]) == (401, "The user's password has been changed.")
    assert anonymous.post("/api/auth/token/refresh/", {"refresh": str(refresh)}).status_code == 401
    assert login(anonymous, "ann", made).status_code == 201


def test_the_password_of_nobody_cannot_be_reset():
    from argosy.core.errors import NotFound

    with pytest.raises(NotFound, match="no user 'nobody'"):
        boot.reset_password("nobody", None)
