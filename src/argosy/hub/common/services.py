"""Decisions on users."""

import secrets

import structlog
from django.contrib.auth import get_user_model
from django.db import transaction

from argosy.core.errors import NotFound

log = structlog.get_logger()


@transaction.atomic
def ensure_admin(password: str | None) -> str | None:
    """Make sure `admin` exists and has this password; return the one that was generated, if one was."""
    users = get_user_model()
    admin = users.objects.filter(username="admin").first()
    if admin is None:
        users.objects.create_superuser("admin", password=password or (made := secrets.token_urlsafe(18)))
        log.info("administrator created", username="admin")
        return None if password else made
    if password and not admin.check_password(password):
        admin.set_password(password)
        admin.save(update_fields=["password"])
        log.info("password set", username="admin")
    return None


@transaction.atomic
def reset_password(username: str, password: str | None) -> str:
    """Give the user this password, or a new one; return it. Tokens made before are refused from now on.

    Raises:
        NotFound: there is no such user.
    """
    user = get_user_model().objects.filter(username=username).first()
    if user is None:
        raise NotFound(f"there is no user {username!r}")
    password = password or secrets.token_urlsafe(18)
    user.set_password(password)
    user.save(update_fields=["password"])
    log.info("password set", username=username)
    return password
