"""Settings: every environment variable with its default and its meaning."""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from anthropic_proxy.addresses import CHAT_PATH, base_url, is_loopback, is_private
from anthropic_proxy.dialects import dialect_named, parse_overrides
from anthropic_proxy.setting_kinds import (
    Allowed,
    Key,
    Keys,
    Metrics,
    NotNegative,
    Port,
    Positive,
    Rate,
    Switch,
    Url,
    Whole,
)
from anthropic_proxy.translate.redaction import secret_values


class SettingsError(ValueError):
    """A setting is wrong or missing. The text is one line: the variable, its value, what is allowed."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}{problem}")
        self.variable = variable


class Settings(BaseModel):
    """The proxy's settings. Each field is one environment variable, its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    openai_api_base: Url = Field(
        description="Base URL of the backend: what stands before `/chat/completions`. Required.",
    )
    openai_api_key: Key = Field(
        default=None,
        description="The backend's key. Required, unless the backend is on this machine or a private network, "
        "or `FORWARD_KEY` is on.",
    )
    model: str | None = Field(
        default=None,
        description="Model asked for upstream, whatever the client names. "
        "With no model set at all, the client's own choice goes upstream as it is.",
    )
    reasoning_model: str | None = Field(
        default=None, description="Model for requests with thinking switched on. Without it, `MODEL` serves them."
    )
    completion_model: str | None = Field(
        default=None, description="Model for requests without thinking. Without it, `MODEL` serves them."
    )
    client_models: str = Field(
        default="",
        description="Names with commas between them. A request for one of these models gets it, whatever the three "
        "above say. `up` lists the models of `config.yaml` here, if none of the three is set.",
    )
    claude_aliases: Switch = Field(
        default=False,
        description="List each model as `claude/<id>` too, since Claude Code's picker shows only ids with `claude` or "
        "`anthropic` in them. A request for such an alias gets that model, whatever the others above say.",
    )

    config_file: str | None = Field(
        default=None,
        description="Settings file (YAML or TOML) with the model map, and with any of these settings in small letters, "
        "keys excepted. The map is read again when the file changes.",
    )

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. One that others can reach needs a `PROXY_API_KEY`.",
    )
    port: Port = Field(default=3000, description="Port to listen on; 0 takes any free one.")
    workers: Whole = Field(
        default=1,
        description="Processes that serve the port and share nothing; 0: one for each core that the proxy may use. "
        "More than one needs Linux. For `serve` alone.",
    )
    proxy_api_key: Keys = Field(
        default=None,
        description="Key that clients must send, as `x-api-key` or `Authorization: Bearer`; several with commas "
        "between, any of which will do. Without one, whoever reaches the port is served.",
    )
    proxy_api_key_file: str | None = Field(
        default=None,
        description="File with more such keys, one a line; lines that begin with `#` are comments. Read at the start.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Names under which clients may reach the proxy, with commas between; `*` stands for any. Names and "
        "addresses of this machine always are. Others are refused, unless `HOST` lets others in and this is empty.",
    )
    tls_cert_file: str | None = Field(
        default=None, description="File with the proxy's certificate and its chain (PEM). With it, it serves HTTPS."
    )
    tls_key_file: str | None = Field(
        default=None, description="File with that certificate's key (PEM, without a passphrase)."
    )
    rate_limit: Rate = Field(
        default="",
        description="Most requests for each key of `PROXY_API_KEY`; without one, for each client address. "
        "Needs the extra `limits`.",
    )
    rate_limit_store: Key = Field(
        default=None,
        description="The Redis in which several proxies count them together, such as `redis://host:6379`. "
        "Without it, each counts for itself, and so does each of `WORKERS`.",
    )
    key_concurrency: Whole = Field(
        default=0,
        description="Most requests that are answered at once for each key of `PROXY_API_KEY`; without one, for each "
        "client address. Further ones get a 429. Each process counts for itself; 0 sets no limit.",
    )
    forward_key: Switch = Field(
        default=False,
        description="Send the client's own key upstream. `OPENAI_API_KEY`, where set, serves clients that send none.",
    )

    backend: str | None = Field(
        default=None, description="Name of the backend's dialect (`backends.md` lists them), if its URL does not tell."
    )
    dialect: str = Field(
        default="",
        description="Single facts of the dialect that differ here: `field=value` pairs with spaces between them.",
    )
    strict: Switch = Field(
        default=False,
        description="Refuse a request that holds anything the backend cannot be sent, instead of dropping it.",
    )
    show_thinking: Literal["asked", "always"] = Field(
        default="asked", description="Show the model's reasoning to clients that switched thinking on, or always."
    )
    stop_sequences: Literal["scan", "upstream"] = Field(
        default="scan",
        description="Find stop sequences here, which tells the client which one matched, "
        "or send them upstream, which bills exactly but does not tell.",
    )
    prefill: Literal["refuse", "emulate"] = Field(
        default="refuse",
        description="A last message of the assistant's that the backend cannot continue: "
        "refuse it, or ask for the continuation in words.",
    )
    forward_user_id: Literal["no", "hash"] = Field(
        default="no", description="Keep `metadata.user_id` here, or send a hash of it upstream."
    )

    commit_after: NotNegative = Field(
        default=20,
        description="Seconds to wait for the first piece of a reply. Then a stream begins without it, "
        "and a later failure is an `error` event instead of an HTTP status.",
    )
    ping_every: Positive = Field(default=10, description="Seconds of silence after which a stream gets a `ping`.")
    connect_timeout: NotNegative = Field(
        default=10, description="Seconds to wait for a connection to the backend; 0 waits for ever."
    )
    first_byte_timeout: NotNegative = Field(
        default=600, description="Seconds to wait for the first byte of its answer; 0 waits for ever."
    )
    silence_timeout: NotNegative = Field(
        default=600, description="Seconds to wait between two bytes of its answer; 0 waits for ever."
    )
    head_timeout: NotNegative = Field(
        default=20,
        description="Seconds that a client may take from its connection to the end of a request's headers; "
        "0 waits for ever.",
    )
    body_timeout: NotNegative = Field(
        default=300, description="Seconds that it may take to send the body; 0 waits for ever."
    )
    write_timeout: NotNegative = Field(
        default=300,
        description="Seconds that it may leave its reply unread, once that has filled the buffers; 0 waits for ever.",
    )
    shutdown_grace: Whole = Field(default=30, description="Seconds that running requests get to finish at shutdown.")

    max_concurrent: Whole = Field(
        default=1000,
        description="Most requests that are answered at once, in each of `WORKERS`. Further ones get a 529, which "
        "clients try again; 0 sets no limit.",
    )
    max_header_kb: Positive = Field(default=64, description="Largest head of a request, in KiB.")
    max_body_mb: Positive = Field(default=64, description="Largest request body, in MiB, as sent and unpacked.")
    max_json_depth: Whole = Field(
        default=0,
        description="Deepest nesting of its JSON; 0: as deep as Python can go, some hundred levels. "
        "A limit costs a look at every value.",
    )
    max_json_values: Whole = Field(
        default=500_000,
        description="Most values in its JSON, those inside others too: each takes some 75 to 150 bytes of memory, "
        "however short it is. 0 sets no limit.",
    )
    max_messages: Whole = Field(default=100_000, description="Most messages in a request.")
    max_tools: Whole = Field(default=10_000, description="Most tools in a request.")
    max_event_mb: Positive = Field(default=16, description="Largest event in a backend's stream, in MiB.")
    max_arguments_mb: Positive = Field(
        default=16, description="Longest arguments of one tool call in a reply, in millions of characters."
    )
    max_reply_mb: Positive = Field(
        default=64, description="Largest reply of a backend that is put together before it is sent on, in MiB."
    )
    rate_limit_headers: Literal["show", "hide"] = Field(
        default="show", description="Pass the backend's rate limits on as `anthropic-ratelimit-…` headers, or not."
    )
    ssl_cert_file: str | None = Field(
        default=None, description="File of certificate authorities (PEM) to trust beside the system's, for the backend."
    )
    upstream_client: Literal["auto", "aiohttp", "lean"] = Field(
        default="auto",
        description="What talks to the backend: our own lean HTTP client, or aiohttp, which can pass through a proxy. "
        "`auto`: aiohttp where a proxy has to be used, else the lean one.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="How much is logged. Keys never are, and prompts only with `LOG_PROMPTS`."
    )
    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="Form of the log lines. `auto`: text on a terminal, else JSON."
    )
    log_prompts: Switch = Field(
        default=False,
        description="Log what clients ask, what is answered, and errors in the backend's words, which may quote both.",
    )
    record_dir: str | None = Field(
        default=None,
        description="Directory in which each exchange is recorded, prompts and replies included, keys not, "
        "for `anthropic-proxy replay`.",
    )
    metrics: Metrics = Field(
        default="off",
        description="Figures for Prometheus at `/metrics`: off, on the proxy's own port, or on this port of `HOST`. "
        "Needs the extra `metrics`.",
    )
    traces: Literal["off", "on"] = Field(
        default="off",
        description="A span for each request, sent as OpenTelemetry's `OTEL_…` variables say. Needs the extra `otel`.",
    )

    @field_validator("openai_api_base")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return base_url(value)

    @field_validator("backend")
    @classmethod
    def _known_backend(cls, value: str | None) -> str | None:
        if value is not None:
            dialect_named(value)
        return value

    @field_validator("dialect")
    @classmethod
    def _legal_facts(cls, value: str) -> str:
        parse_overrides(value)
        return value

    @field_validator("metrics")
    @classmethod
    def _off_on_or_a_port(cls, value: str) -> str:
        value = value.lower()
        if value not in ("off", "on") and not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
            raise ValueError
        return value

    @field_validator("openai_api_key", "proxy_api_key", "rate_limit_store")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not all("!" <= char <= "~" for char in value.get_secret_value()):
            raise ValueError
        return value

    @property
    def models_by_name(self) -> frozenset[str]:
        """The names in CLIENT_MODELS."""
        return frozenset(filter(None, map(str.strip, self.client_models.split(","))))

    @property
    def proxy_keys(self) -> list[str]:
        """The keys that clients may send; none: the door is open."""
        joined = self.proxy_api_key.get_secret_value() if self.proxy_api_key is not None else ""
        return [key for key in joined.split(",") if key]

    @property
    def metrics_port(self) -> int | None:
        """The port that has `/metrics` and nothing else, if it has one."""
        return int(self.metrics) if self.metrics.isdigit() else None

    @property
    def max_body(self) -> int:
        """Largest request body, in bytes."""
        return int(self.max_body_mb * 1024 * 1024)

    @property
    def secrets(self) -> list[str]:
        """The keys, for the log to blot out."""
        own = (self.openai_api_key, self.rate_limit_store)
        headers: Any = parse_overrides(self.dialect).get("headers", ())
        return [
            *(secret.get_secret_value() for secret in own if secret is not None),
            *self.proxy_keys,
            *secret_values(headers),
        ]

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Settings as `environ` has them. Empty variables count as unset.

        Raises SettingsError for the first variable that is wrong or missing.
        """
        values = {name: value for name in cls.model_fields if (value := environ.get(name.upper(), "").strip())}
        for name, value in values.items():
            if left_over := _UNREPLACED.search(value):
                raise SettingsError(name.upper(), f": still holds {left_over[0]}, which nothing replaced")
        try:
            settings = cls.model_validate({name: _folded(name, value) for name, value in values.items()})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = str(first["loc"][0])
            reason = str(first.get("ctx", {}).get("error", ""))
            raise _refused(name, values.get(name, ""), reason) from None
        _check_together(settings)
        return settings


def allowed(name: str) -> str:
    """Which values the setting takes, in words. Empty where any text will do."""
    field = Settings.model_fields[name]
    if get_origin(field.annotation) is Literal:
        return " or ".join(get_args(field.annotation))
    return next((item.words for item in field.metadata if isinstance(item, Allowed)), "")


def corrections(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """What `from_env` changed in the user's values, a line each."""
    if not urlsplit(environ.get("OPENAI_API_BASE", "").strip()).path.rstrip("/").endswith(CHAT_PATH):
        return []
    return [f"OPENAI_API_BASE: took {CHAT_PATH} off its end, which the proxy adds itself: {settings.openai_api_base}"]


_UNREPLACED = re.compile(r"\$\{[^}]*\}")


def _folded(name: str, value: str) -> str:
    """`value`, in small letters where the setting is a choice of words."""
    return value.lower() if get_origin(Settings.model_fields[name].annotation) is Literal else value


def _refused(name: str, value: str, reason: str) -> SettingsError:
    """What is wrong with `value`; `reason` is what its own check said, if it said anything."""
    if not value:
        return SettingsError(name.upper(), f": missing; set it to {allowed(name)}")
    if reason:
        return SettingsError(name.upper(), f": {reason}")
    # A URL that was refused may be one with a password in it.
    shown = "" if "@" in value or SecretStr in get_args(Settings.model_fields[name].annotation) else f"={value!r}"
    return SettingsError(name.upper(), f"{shown}: must be {allowed(name)}")


def _check_together(settings: Settings) -> None:
    """Settings that need each other. Raises SettingsError."""
    if settings.openai_api_key is None and not settings.forward_key and not is_private(settings.openai_api_base):
        raise SettingsError(
            "OPENAI_API_KEY", f": missing; {settings.openai_api_base} needs a key (or set FORWARD_KEY=true)"
        )
    if not settings.proxy_keys:
        _check_open_door(settings)
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        missing, given = (
            ("TLS_KEY_FILE", "TLS_CERT_FILE") if settings.tls_cert_file else ("TLS_CERT_FILE", "TLS_KEY_FILE")
        )
        raise SettingsError(missing, f": missing; {given} needs it")


def _check_open_door(settings: Settings) -> None:
    """No key is asked for: is that what the user wanted? Raises SettingsError."""
    if settings.proxy_api_key is not None:
        raise SettingsError("PROXY_API_KEY", ": holds no key, only commas")
    if settings.proxy_api_key_file is not None:
        # Whoever makes settings of the bare environment would otherwise have an open door.
        raise SettingsError("PROXY_API_KEY_FILE", ": not read; env_file.with_keys(environ) does that")
    if not is_loopback(settings.host):
        raise SettingsError(
            "PROXY_API_KEY", f": missing; HOST={settings.host} lets others in, so choose a key they must send"
        )
