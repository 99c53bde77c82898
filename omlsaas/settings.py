"""One settings file; every value that differs between installations is in the environment."""

import os
import sys
from pathlib import Path

import environ
from django.utils.translation import gettext_lazy as _

from omlsaas.lib import oidc, runtime_env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_ROOT = Path(os.environ.get("VAR_ROOT") or BASE_DIR / "var").resolve()
runtime_env.load(VAR_ROOT / "runtime.env")
env = environ.FileAwareEnv()

# Commands that need no server may run before one exists (check, collectstatic, makemessages).
DATABASE_URL = env.str("DATABASE_URL", "")
SECRET_KEY = env.str("SECRET_KEY", "").strip()
# `k1:<base64 of 32 bytes>`, comma or line separated: the first writes, all read.
ENCRYPTION_KEYS = env.str("ENCRYPTION_KEYS", "").strip()
# The same form, for the marks and seals of the audit trail (docs/security.md).
AUDIT_KEYS = env.str("AUDIT_KEYS", "").strip()
DEBUG = env.bool("DEBUG", False)
HOST = env.str("HOST", "127.0.0.1")
PORT = env.int("PORT", 8000)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", HOST])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

if not SECRET_KEY:
    # Only commands that touch no session may run without one; the servers refuse
    # (tenants.secrets.require_keys).
    SECRET_KEY = "unset-" + os.urandom(24).hex()
    SECRET_KEY_MISSING = True
else:
    SECRET_KEY_MISSING = False

INSTALLED_APPS = [
    "tenants.adminconfig.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_filters",
    "django_htmx",
    "template_partials",
    "import_export",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "tenants",
    "deployments",
    "notices",
    "api",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "omlsaas.lib.requestid.RequestIdMiddleware",
    "omlsaas.lib.staticfiles.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.middleware.SignedInMiddleware",
    "tenants.signin.middleware.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tenants.middleware.PersonMiddleware",
]

ROOT_URLCONF = "omlsaas.urls"
ASGI_APPLICATION = "omlsaas.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "deployments.views.frame.frame",
            ],
        },
    }
]

# --- Data --------------------------------------------------------------------------------------
# Runs are watched for hours by few connections: a pool, held only for a flush or a request.
DATABASES = {"default": env.db_url_config(DATABASE_URL or "postgres:///omlsaas")}
DATABASES["default"].update(
    {
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **DATABASES["default"].get("OPTIONS", {}),
            "pool": {
                "min_size": 1,
                "max_size": env.int("DATABASE_POOL_SIZE", 12),
                "timeout": 20,
                "max_idle": 120,
                # The pool tries again at ever longer intervals; given up soon, it begins anew
                # with the next request (back 2 s after an outage instead of 13).
                "reconnect_timeout": 3,
            },
            "connect_timeout": 5,
        },
    }
)
# A transaction pooler cannot LISTEN: name a direct URL here when one stands in between.
LISTEN_DATABASE_URL = env.str("LISTEN_DATABASE_URL", DATABASE_URL)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["tenants.access.EmailOrNameBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"

# --- Signing in (docs/security.md) -------------------------------------------------------------
# What counts failed sign-ins must be one for all web processes, and must not go with the broker.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "omlsaas_cache",
    }
}
SESSION_COOKIE_AGE = env.int("SESSION_HOURS", 12) * 3600
PASSWORD_RESET_TIMEOUT = 2 * 3600
INVITATION_DAYS = env.int("INVITATION_DAYS", 7)
# Roles that nobody uses without a second factor.
MFA_REQUIRED_ROLES = env.list("MFA_REQUIRED_ROLES", default=[])
# How often a name, and how often an address, may be tried within LOCK_OUT_MINUTES.
LOCK_OUT_TRIES = env.int("LOCK_OUT_TRIES", 5)
LOCK_OUT_MINUTES = env.int("LOCK_OUT_MINUTES", 15)
OIDC_PROVIDERS = oidc.read_providers(env.str("OIDC_PROVIDERS", ""))

ACCOUNT_ADAPTER = "tenants.signin.account.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "tenants.signin.forms.SignInForm",
    "reset_password": "tenants.signin.forms.ResetForm",
    "reset_password_from_key": "tenants.signin.forms.NewPasswordForm",
    "reauthenticate": "tenants.signin.forms.AgainForm",
}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if env.bool("HTTPS", False) else "http"
ACCOUNT_LOGOUT_REDIRECT_URL = "login"
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": f"{LOCK_OUT_TRIES * 6}/{LOCK_OUT_MINUTES}m/ip,"
    f"{LOCK_OUT_TRIES}/{LOCK_OUT_MINUTES}m/key",
    "reset_password": "20/m/ip,3/15m/key",
    "reauthenticate": "10/m/user",
}
MFA_ADAPTER = "tenants.signin.factors.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "tenants.signin.forms.CodeForm",
    "reauthenticate": "tenants.signin.forms.CodeAgainForm",
    "activate_totp": "tenants.signin.forms.ActivateForm",
    "add_webauthn": "tenants.signin.forms.AddKeyForm",
}
MFA_TOTP_ISSUER = "omlsaas"
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not env.bool("HTTPS", False)
SOCIALACCOUNT_ADAPTER = "tenants.signin.providers.ProviderAdapter"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = ""
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": oidc.allauth_apps(OIDC_PROVIDERS)}}
USERSESSIONS_ADAPTER = "tenants.signin.sessions.SessionAdapter"

# --- E-mail: without EMAIL_URL nothing is sent, and links are shown to whoever made them ---------
EMAIL_URL = env.str("EMAIL_URL", "").strip()
vars().update(env.email_url_config(EMAIL_URL or "dummymail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "omlsaas@localhost")

REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "omlsaas"},
    }
}

# --- Celery: a doorbell, nothing else (docs/processes.md) ------------------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", REDIS_URL)

# --- Languages and time ------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static files ------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = VAR_ROOT / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Tests read the files where they lie; everything else serves hashed names that never change.
STATICFILES_BACKEND = env.str(
    "STATICFILES_BACKEND", "whitenoise.storage.CompressedManifestStaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": STATICFILES_BACKEND},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

# --- Safety ------------------------------------------------------------------------------------
HTTPS = env.bool("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "deployments.views.failures.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        # Tabler draws its check marks from data: URIs.
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'self'"],
        "object-src": ["'none'"],
    }
}
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"]
# A proxy in front: how many of the right-most X-Forwarded-For entries are ours.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)

# --- API (docs/api.md): requests a minute, of one token and of one address; refused ones.
API_TOKEN_MAX_DAYS = env.int("API_TOKEN_MAX_DAYS", 365)
API_RATE_TOKEN = env.int("API_RATE_TOKEN", 600)
API_RATE_ADDRESS = env.int("API_RATE_ADDRESS", 1200)
API_RATE_REFUSED = env.int("API_RATE_REFUSED", 20)

# --- Runs (docs/run-lifecycle.md) --------------------------------------------------------------
# Empty means the default: Path("") would be the current folder.
WORKDIR_ROOT = Path(env.str("WORKDIR_ROOT", "") or VAR_ROOT / "workdirs")
STATE_ROOT = Path(env.str("STATE_ROOT", "") or VAR_ROOT / "state")
BLUEPRINT_ROOT = Path(env.str("BLUEPRINT_ROOT", "") or BASE_DIR / "hcl_template")
TERRAFORM_BIN = env.str("TERRAFORM_BIN", "") or "terraform"
# The one that the portal was set up with, unless another is named.
ANSIBLE_BIN = env.str("ANSIBLE_BIN", str(Path(sys.executable).with_name("ansible-playbook")))
PROVIDER_MIRROR = env.str("PROVIDER_MIRROR", "")
# Git remote that gets the inputs of each stack after an apply, and how to sign in there
# (docs/aws.md). A region may name another one.
INSTANCES_REMOTE = env.str("INSTANCES_REMOTE", "")
INSTANCES_BRANCH = env.str("INSTANCES_BRANCH", "main")
INSTANCES_SSH_KEY_FILE = os.environ.get("INSTANCES_SSH_KEY_FILE", "")
INSTANCES_TOKEN_FILE = os.environ.get("INSTANCES_TOKEN_FILE", "")
# How often a call to a provider's API is tried in all (docs/aws.md).
CLOUD_ATTEMPTS = env.int("CLOUD_ATTEMPTS", 4)
# The same for the engine's provider. Its own default, 25, is many minutes of silence where a zone
# has no machine to give.
PROVIDER_ATTEMPTS = env.int("PROVIDER_ATTEMPTS", 10)
WORKER_CAPACITY = env.int("WORKER_CAPACITY", 32)
# The regions that the workers of this host work for; empty is all of them.
WORKER_REGIONS = env.list("WORKER_REGIONS", default=[])
LEASE_S = env.int("LEASE_S", 15)
LEASE_RENEW_S = env.int("LEASE_RENEW_S", 5)
HOST_SILENT_AFTER_S = env.int("HOST_SILENT_AFTER_S", 60)
HOST_LOST_AFTER_S = env.int("HOST_LOST_AFTER_S", 30 * 60)
PLAN_TIMEOUT_S = env.int("PLAN_TIMEOUT_S", 2 * 3600)
APPLY_TIMEOUT_S = env.int("APPLY_TIMEOUT_S", 6 * 3600)
SILENCE_TIMEOUT_S = env.int("SILENCE_TIMEOUT_S", 30 * 60)
CANCEL_GRACE_S = env.int("CANCEL_GRACE_S", 5 * 60)
FORCE_CANCEL_AFTER_S = env.int("FORCE_CANCEL_AFTER_S", 60)
# What asks less of second persons than before holds this much later.
APPROVAL_POLICY_DELAY_S = env.int("APPROVAL_POLICY_DELAY_S", 600)
PLAN_EXPIRES_S = env.int("PLAN_EXPIRES_S", 7 * 24 * 3600)
RUN_LOG_LIMIT = env.int("RUN_LOG_LIMIT", 1 << 30)
MIN_FREE_BYTES = env.int("MIN_FREE_BYTES", 1 << 30)
# Retention: lines and history are two settings (docs/operate.md).
KEEP_LOGS_DAYS = env.int("KEEP_LOGS_DAYS", 180)
KEEP_LOGS_RUNS = env.int("KEEP_LOGS_RUNS", 20)
KEEP_RUNS_DAYS = env.int("KEEP_RUNS_DAYS", 0)
KEEP_STATES = env.int("KEEP_STATES", 50)
# The audit trail: days in the database (0: all), where older ones go, who gets a copy at once.
AUDIT_KEEP_DAYS = env.int("AUDIT_KEEP_DAYS", 0)
AUDIT_ARCHIVE_ROOT = Path(env.str("AUDIT_ARCHIVE_ROOT", "") or VAR_ROOT / "audit")
AUDIT_FORWARD = env.str("AUDIT_FORWARD", "").strip()
AUDIT_FORWARD_TOKEN = env.str("AUDIT_FORWARD_TOKEN", "").strip()

# --- Notices (docs/notices.md) ------------------------------------------------------------------
# Where people reach the portal: links in mails and messages begin with it.
PORTAL_URL = env.str("PORTAL_URL", "") or f"http://{HOST}:{PORT}"
# Private networks into which webhooks may go, such as 10.2.0.0/16.
WEBHOOK_ALLOWED_NETWORKS = env.list("WEBHOOK_ALLOWED_NETWORKS", default=[])
KEEP_DELIVERIES_DAYS = env.int("KEEP_DELIVERIES_DAYS", 30)
KEEP_NOTICES_DAYS = env.int("KEEP_NOTICES_DAYS", 90)

# --- Our own logs ------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {"django.server": {"level": "WARNING"}, "httpx": {"level": "WARNING"}},
}

TESTING = "pytest" in sys.modules
