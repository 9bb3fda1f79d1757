"""Settings of Django. `boot.prepare` says where the data is; without, the module can be imported but keeps nothing."""

import os
from datetime import timedelta
from pathlib import Path

from argosy.hub.common import keys
from argosy.hub.project import database

DATA_DIR = os.environ.get("ARGOSY_DATA_DIR", "")
KEYS = keys.at(Path(DATA_DIR) / "keys") if DATA_DIR else keys.ephemeral()

SECRET_KEY = KEYS.secret
DEBUG = False
ALLOWED_HOSTS = ["*"]  # tokens travel in a header that no other site can make a browser send
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 << 20  # some 500,000 paths
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LOGGING_CONFIG = None  # whoever starts the hub decides what becomes of its log

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "argosy.hub.common",
    "argosy.hub.sites",
    "argosy.hub.catalogue",
    "argosy.hub.workflows",
    "argosy.hub.jobs",
    "argosy.hub.sync",
    "argosy.hub.gc",
    "argosy.hub.schedules",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "argosy.hub.common.middleware.SlashMiddleware",
    "argosy.hub.common.middleware.WritingMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "argosy.hub.project.urls"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS: list[dict[str, str]] = []

DATABASES = {"default": database.settings(Path(DATA_DIR) if DATA_DIR else None)}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["argosy.hub.common.parsers.BoundedJSON"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "argosy.hub.common.formats.Formats",
    "DEFAULT_FILTER_BACKENDS": ["argosy.hub.common.sight.Sight"],
    "DEFAULT_PAGINATION_CLASS": "argosy.hub.common.paging.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "argosy.hub.common.problems.handle",
    "NUM_PROXIES": 0,  # whoever connects is whom the throttle counts, whatever a header says
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT = {
    "ALGORITHM": "RS256",
    "SIGNING_KEY": KEYS.signing,
    "VERIFYING_KEY": KEYS.verifying,
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=1),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "CHECK_REVOKE_TOKEN": True,  # a new password ends what the old one opened
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Argosy",
    "DESCRIPTION": "One hub, many sites, any Linux filesystem, any object store.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}
