"""Settings: the environment is read here, once, and nowhere else. Plain assignments, top to bottom."""

from pathlib import Path

import django_stubs_ext
from csp.constants import NONE, SELF

from config import env
from config.console import UNFOLD as UNFOLD  # the admin

django_stubs_ext.monkeypatch()  # lets ModelAdmin[Lease] and its like be written at run time too
BASE_DIR = Path(__file__).resolve().parent.parent

# -- What the environment decides ------------------------------------------------------------------------------------
EMBEDDED = env.flag("GRIDLEASE_EMBEDDED")  # under ./run with its own services: sandbox nodes, mailbox page
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY")
BASE_URL = env.text("BASE_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost")
STATE_DIR = Path(env.text("STATE_DIR", str(BASE_DIR / "var")))
HTTPS = BASE_URL.startswith("https://")

STRIPE_API_KEY = env.text("STRIPE_API_KEY", "")
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET", "")
STRIPE_API_BASE = env.text("STRIPE_API_BASE", "")  # empty: Stripe itself
OPERATOR_KEY = env.text("OPERATOR_KEY", str(STATE_DIR / "operator_key"))  # path of the SSH key that opens hosts
CERTIFICATE_KEY = env.text("CERTIFICATE_KEY", str(STATE_DIR / "certificate_key"))  # path of the key that signs wipes
SANDBOX_ADDRESS = env.text("SANDBOX_ADDRESS", "")  # host:port of the built-in node host
SANDBOX_HOST_KEY = env.text("SANDBOX_HOST_KEY", "")  # its public key, one line
GENERATION = env.number("GENERATION", 1)  # raise it after a restore or failover: hosts refuse what is older
SELLER = env.lines("SELLER", "Gridlease, Inc.\\n1 Hub Road\\nAtlanta, GA 30303\\nUnited States")  # on invoices
SELLER_TAX_ID = env.text("SELLER_TAX_ID", "")
BANK = env.lines("BANK", "Account 000000000, routing 000000000 (demonstration)")  # where transfers go
LAUNCH_RATE = env.text("LAUNCH_RATE", "60/min")  # orders of one token or person through the API
SELLER_COUNTRY = env.text("SELLER_COUNTRY", "US")  # two letters: where the operator is established for tax
STRIPE_TAX = env.flag("STRIPE_TAX")  # whether Stripe Tax is enabled, with the registrations that it needs
ADJUSTMENT_LIMIT_CENTS = env.number("ADJUSTMENT_LIMIT_CENTS", 50_000)  # above it staff need a second person
WATCH_EVERY = env.number("WATCH_EVERY", 15)  # seconds between two looks at a node
MINER_NETWORKS = env.words("MINER_NETWORKS", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7")  # commands go there
BATTERY_NETWORKS = env.words("BATTERY_NETWORKS", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7")  # and of these
EXAMPLE_MINERS = env.text("EXAMPLE_MINERS", "")  # of the embedded system: the first one's address:port, models:counts
EXAMPLE_BATTERY = env.text("EXAMPLE_BATTERY", "")  # of the embedded system: its address:port
# Where webhooks may go although it is not the public internet, by plain http too: nowhere where customers are served.
WEBHOOK_NETWORKS = env.words("WEBHOOK_NETWORKS", "127.0.0.0/8,::1/128" if EMBEDDED or DEBUG else "")
FAILPOINTS = frozenset(env.failpoints("FAILPOINTS", allowed=not HTTPS))  # where tests kill the process

# -- Services --------------------------------------------------------------------------------------------------------
# The application's role may not rewrite what is append-only; the tables' owner, if it is another, runs migrations.
DATABASE_OWNER_URL = env.text("DATABASE_OWNER_URL", "")
DATABASE_ROLE = env.database("DATABASE_URL")["USER"]
AS_OWNER = env.flag("AS_OWNER") and bool(DATABASE_OWNER_URL)
DATABASES = {"default": env.database("DATABASE_OWNER_URL" if AS_OWNER else "DATABASE_URL")}
CELERY_BROKER_URL = env.broker("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "config.cache.RedisCache",
        "LOCATION": env.redis("REDIS_URL", 1),
        "KEY_PREFIX": "gridlease",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},  # a hung cache must not hang a request
    }
}
EMAIL_FILE_PATH = env.text("EMAIL_DIR", "")
EMAIL_BACKEND = f"django.core.mail.backends.{'filebased' if EMAIL_FILE_PATH else 'smtp'}.EmailBackend"
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM", "Gridlease <no-reply@gridlease.example.com>")
globals().update(env.smtp("EMAIL_URL"))
SUPPORT_EMAIL = env.text("SUPPORT_EMAIL", "support@gridlease.example.com")

# -- Django ----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "pgtrigger",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "marketplace",
    "leasing",
    "billing",
    "energy",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.ContentPolicy",
    "config.middleware.no_nul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.views.guards.staff_second_factor",
    "django_htmx.middleware.HtmxMiddleware",
]
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
                "accounts.context.principal",
                "accounts.context.support",
                "billing.context.standing",
            ],
        },
    }
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["config.formats"]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # served straight from the packages: no collectstatic between a clone and a page
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"}},
    "root": {"handlers": ["stdout"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "celery.worker.strategy": {"level": "WARNING"},  # "received" and "succeeded", several times a second
        "celery.app.trace": {"level": "WARNING"},
        "asyncssh": {"level": "WARNING"},  # every channel and every step of a login
    },
}

# -- Security --------------------------------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [BASE_URL]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
TRUSTED_PROXIES = env.number("ALLAUTH_TRUSTED_PROXY_COUNT", 0)  # reverse proxies in front that set X-Forwarded-For
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # the QR code of an authenticator is a data: image
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF, STRIPE_API_BASE or "https://checkout.stripe.com"],  # a top-up's form redirects there
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# -- People: django-allauth ------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_FORMS = {"signup": "accounts.forms.SignUp"}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True  # "your password was changed" and the like
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = True
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
MFA_ADAPTER = "accounts.adapter.SecondFactors"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Gridlease"
MFA_TOTP_TOLERANCE = 1  # a phone's clock may be half a minute off
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = BASE_URL.startswith(("http://localhost", "http://127.0.0.1"))

# -- The API ---------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.http.parsers.BoundedJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.http.authentication.BearerAuthentication",
        "accounts.http.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.http.permissions.Allowed"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.http.throttles.Reads", "accounts.http.throttles.Writes"],
    "DEFAULT_PAGINATION_CLASS": "accounts.http.pagination.NewestFirst",
    "EXCEPTION_HANDLER": "accounts.http.problems.handle",
    "DEFAULT_SCHEMA_CLASS": "accounts.http.schema.ProblemSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gridlease API",
    "DESCRIPTION": "Lease whole GPU nodes by the second. Amounts ending in `_micros` are millionths of a US dollar.",
    "CONTACT": {"email": SUPPORT_EMAIL},
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "LeaseState": "leasing.states.LeaseState",
        "MachineState": "leasing.states.MachineState",
        "PaymentState": "billing.models.PaymentState",
        "RefundState": "billing.models.RefundState",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
