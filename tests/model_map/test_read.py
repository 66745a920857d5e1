"""The settings file: what it says, and how it is told that it is wrong."""

import pytest
from pydantic import SecretStr

from anthropic_proxy.config import Settings
from anthropic_proxy.model_map import FileError, LongContext, read
from anthropic_proxy.model_map.map import Target
from anthropic_proxy.translate.body_fields import BodyFields

KEYS = {"ROUTER_KEY": " sk-router ", "TEAM": "blue"}

YAML = """\
port: 3100
strict: true
client_models: [a, b]

backends:
  router:
    base_url: https://openrouter.ai/api/v1/chat/completions
    key_variable: ROUTER_KEY
    headers: {X-Team: "${TEAM}", x-title: everywhere}
    dialect: {name: openrouter, stop_max: 2}

models:
  opus:
    backend: router
    model: anthropic/claude-opus-4.5
    max_output_tokens: 8192
    context_window: 100000
    reasoning: true
    headers: {X-Title: here}
    dialect: {efforts: [low, high], context_window: none, extra_body: {a: true, b: "x y"}}
    set: {temperature: 0, provider: {order: [x]}}
    default: {seed: 7}
    drop: [top_k]
    fallbacks: [haiku, gpt-5]
  haiku: small
  "gpt-*":
    base_url: http://127.0.0.1:11434/v1

long_context: {above: 60000, model: gpt-5}
safety_check: haiku
cool_down: 12.5
"""

TOML = """\
port = 3100
strict = true
client_models = ["a", "b"]
safety_check = "haiku"
cool_down = 12.5
long_context = {above = 60000, model = "gpt-5"}

[backends.router]
base_url = "https://openrouter.ai/api/v1/chat/completions"
key_variable = "ROUTER_KEY"
headers = {X-Team = "${TEAM}", x-title = "everywhere"}
dialect = {name = "openrouter", stop_max = 2}

[models.opus]
backend = "router"
model = "anthropic/claude-opus-4.5"
max_output_tokens = 8192
context_window = 100000
reasoning = true
headers = {X-Title = "here"}
dialect = {efforts = ["low", "high"], context_window = "none", extra_body = {a = true, b = "x y"}}
set = {temperature = 0, provider = {order = ["x"]}}
default = {seed = 7}
drop = ["top_k"]
fallbacks = ["haiku", "gpt-5"]

[models]
haiku = "small"

[models."gpt-*"]
base_url = "http://127.0.0.1:11434/v1"
"""

ROUTER = Target(
    name="router",
    base_url="https://openrouter.ai/api/v1",
    key=SecretStr("sk-router"),
    dialect_name="openrouter",
    overrides=(("stop_max", 2), ("headers", (("X-Team", "blue"), ("x-title", "everywhere")))),
)


@pytest.mark.parametrize(("text", "name"), [(YAML, "models.yaml"), (TOML, "models.toml")], ids=["yaml", "toml"])
def test_it_says(text: str, name: str) -> None:
    found = read(text, name, KEYS)
    opus, haiku, gpt = sorted(found.models.rules, key=lambda rule: ["opus", "haiku", "gpt-*"].index(rule.pattern))
    assert (opus.target, opus.model, opus.reasoning) == (ROUTER, "anthropic/claude-opus-4.5", True)
    assert dict(opus.overrides) == {
        "efforts": ("low", "high"),
        "context_window": 100000,
        "max_output_tokens": 8192,
        "extra_body": (("a", True), ("b", "x y")),
        "headers": (("X-Team", "blue"), ("X-Title", "here")),
    }
    assert opus.fields == BodyFields({"temperature": 0, "provider": {"order": ["x"]}}, {"seed": 7}, ("top_k",))
    assert opus.fallbacks == ("haiku", "gpt-5")
    assert (haiku.target, haiku.model, haiku.fields) == (None, "small", None)
    assert gpt.target == Target("127.0.0.1:11434", "http://127.0.0.1:11434/v1", None, None, ())
    assert found.models.long_context == LongContext(60000, "gpt-5")
    assert (found.models.safety_check, found.models.cool_down) == ("haiku", 12.5)
    assert found.settings == {"PORT": "3100", "STRICT": "true", "CLIENT_MODELS": "a,b"}
    assert found.lines == {"PORT": 1, "STRICT": 2, "CLIENT_MODELS": 3}
    settings = Settings.from_env({"OPENAI_API_BASE": "http://127.0.0.1:1/v1", **found.settings})
    assert (settings.port, settings.strict, sorted(settings.models_by_name)) == (3100, True, ["a", "b"])
    assert found.models.secrets == ["sk-router"]


def test_an_empty_file_says_nothing() -> None:
    assert read("", "models.yaml", {}).models.rules == ()
    assert read("# a comment\n", "models.toml", {}).settings == {}


def test_what_yaml_merges_counts() -> None:
    text = (
        "models:\n  a: &local\n    base_url: http://127.0.0.1:1/v1\n    model: x\n  b:\n    <<: *local\n    model: y\n"
    )
    _, second = read(text, "models.yml", {}).models.rules
    assert second.target is not None
    assert (second.target.base_url, second.model) == ("http://127.0.0.1:1/v1", "y")


WRONG: dict[str, tuple[str, str]] = {
    "no YAML": ("models: [\n", "line 2: not YAML: "),
    "a tab": ("models:\n\topus: m\n", "line 2: not YAML: "),
    "no keys": ("- a\n", "line 1: must hold keys with values"),
    "a key twice": ("models:\n  opus: a\n  opus: b\n", "line 3: models.opus: stands there twice"),
    "itself inside itself": ("models: &a\n  opus: *a\n", "line 1: models.opus: refers to itself"),
    "an unknown section": ("modles: {}\n", "line 1: modles: unknown; did you mean models?"),
    "an unknown setting": ("port: 1\nqqq: 1\n", "line 2: qqq: unknown, and no setting is called so"),
    "an unknown key": ("models:\n  opus:\n    modle: m\n", "line 3: models.opus.modle: unknown; did you mean model?"),
    "an unknown key of a backend": (
        "backends:\n  x:\n    base_url: http://127.0.0.1/v1\n    zzz: 1\n",
        "line 4: backends.x.zzz: unknown; it may be base_url, key_variable, dialect, headers",
    ),
    "a backend without a URL": ("backends:\n  x: {}\n", "line 2: backends.x.base_url: missing"),
    "a number for a name": ("models:\n  opus: 4\n", "line 2: models.opus: must be a model's name, or keys with values"),
    "a text for a number": (
        "models:\n  opus:\n    model: m\n    context_window: much\n",
        "line 4: models.opus.context_window: input should be a valid integer",
    ),
    "no tokens": (
        "models:\n  opus: {model: m, max_output_tokens: 0}\n",
        "line 2: models.opus.max_output_tokens: input should be greater than 0",
    ),
    "no URL": (
        "models:\n  opus:\n    base_url: localhost\n",
        "line 3: models.opus.base_url: must be an http:// or https:// URL without credentials in it",
    ),
    "a password in the URL": (
        "models:\n  opus:\n    base_url: http://me:secret@h/v1\n",
        "line 3: models.opus.base_url: must be an http:// or https:// URL without credentials in it",
    ),
    "a public backend without a key": (
        "models:\n  opus: {base_url: https://api.example.com/v1}\n",
        "line 2: models.opus: https://api.example.com/v1 needs a key; name the variable that holds it as key_variable",
    ),
    "a variable that is not set": (
        "models:\n  opus:\n    base_url: https://api.example.com/v1\n    key_variable: MISSING\n",
        "line 4: models.opus.key_variable: the variable MISSING is not set, neither in the environment nor in .env",
    ),
    "a key that is no key": (
        "models:\n  opus: {base_url: https://api.example.com/v1, key_variable: SPACED}\n",
        "line 2: models.opus.key_variable: the key in SPACED must be ASCII characters without spaces or line breaks",
    ),
    "a key without a backend": (
        "models:\n  opus: {key_variable: ROUTER_KEY}\n",
        "line 2: models.opus.key_variable: needs a base_url beside it",
    ),
    "two backends": (
        "backends: {x: {base_url: http://127.0.0.1/v1}}\nmodels:\n  opus: {backend: x, base_url: http://127.0.0.1/v1}\n",
        "line 3: models.opus.base_url: there is a backend already; name one of the two",
    ),
    "an unknown backend": (
        "backends: {x: {base_url: http://127.0.0.1/v1}}\nmodels:\n  opus: {backend: y}\n",
        "line 3: models.opus.backend: 'y' is not under backends: (x)",
    ),
    "a key at the wrong place": (
        "backends: {x: {base_url: http://127.0.0.1/v1}}\nmodels: {opus: {backend: x, key_variable: ROUTER_KEY}}\n",
        "line 2: models.opus.key_variable: belongs to the backend: put it under backends:",
    ),
    "an unknown dialect": (
        "backends:\n  x:\n    base_url: http://127.0.0.1/v1\n    dialect:\n      name: foo\n",
        "line 5: backends.x.dialect.name: 'foo' is not the name of a backend; the names are ",
    ),
    "an unknown fact": (
        "models:\n  opus:\n    dialect:\n      stop_mox: 2\n",
        "line 4: models.opus.dialect.stop_mox: a dialect has no such field; did you mean stop_max?",
    ),
    "a wrong fact": (
        "models:\n  opus:\n    dialect: {vision: maybe}\n",
        "line 3: models.opus.dialect.vision: 'maybe' is not true or false",
    ),
    "a dialect's name at the wrong place": (
        "models:\n  opus:\n    dialect: {name: openai}\n",
        "line 3: models.opus.dialect.name: belongs to the whole backend: put it under backends:",
    ),
    "a header that is none": (
        'models:\n  opus:\n    headers: {"X Team": a}\n',
        "line 3: models.opus.headers.'X Team': is no header: its name is one word, its value one line of ASCII",
    ),
    "a line break in a header": (
        'models:\n  opus:\n    headers: {X-Team: "a\\nb"}\n',
        "line 3: models.opus.headers.X-Team: is no header: ",
    ),
    "a header of a missing variable": (
        "models:\n  opus:\n    headers: {X-Team: '${NOBODY}'}\n",
        "line 3: models.opus.headers.X-Team: the variable NOBODY is not set",
    ),
    "a field that is ours": (
        "models:\n  opus:\n    set: {stream: false}\n",
        "line 3: models.opus.set.stream: stream is the proxy's own",
    ),
    "the cap as a field": (
        "models:\n  opus:\n    default: {max_tokens: 10}\n",
        "line 3: models.opus.default.max_tokens: max_tokens is the proxy's own; the cap is max_output_tokens",
    ),
    "a field that has to be there": (
        "models:\n  opus:\n    drop:\n      - top_k\n      - messages\n",
        "line 5: models.opus.drop.1: messages is the proxy's own",
    ),
    "a fallback that leads nowhere": (
        "models:\n  opus:\n    model: m\n    fallbacks:\n      - opus\n      - haiku\n",
        "line 6: models.opus.fallbacks.1: no entry of models: is for 'haiku'",
    ),
    "long prompts that lead nowhere": (
        "long_context:\n  above: 10\n  model: haiku\n",
        "line 3: long_context.model: no entry of models: is for 'haiku'",
    ),
    "checks that lead nowhere": ("safety_check: haiku\n", "line 1: safety_check: no entry of models: is for 'haiku'"),
    "a key in the file": (
        "openai_api_key: sk-1234567890\n",
        "line 1: openai_api_key: is no place for a key; put OPENAI_API_KEY into the environment or .env",
    ),
    "a file in the file": ("config_file: other.yaml\n", "line 1: config_file: a file cannot name another"),
    "a setting with keys": ("port: {a: 1}\n", "line 1: port: must be a text, a number, true or false, or a list of "),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_it_is_refused_with_line_and_key(text: str, message: str) -> None:
    with pytest.raises(FileError) as refused:
        read(text, "models.yaml", {**KEYS, "SPACED": "a b"})
    said = str(refused.value)
    assert said.startswith(f"models.yaml, {message}")
    assert "\n" not in said
    assert "secret" not in said
    assert "sk-1234567890" not in said


WRONG_TOML: dict[str, tuple[str, str]] = {
    "no TOML": ("[models\n", "not TOML: "),
    "a key twice": ('[models]\nopus = "a"\nopus = "b"\n', "not TOML: "),
    "in a table": ('[models.opus]\nmodel = "m"\nmodle = "m"\n', ", line 3: models.opus.modle: unknown; did you mean"),
    "in a table with quotes": ('[models."gpt-*"]\n\nmodle = "m"\n', ", line 3: models.'gpt-*'.modle: unknown; "),
    "by a dotted key": ('# a\nmodels.opus.modle = "m"\n', ", line 2: models.opus.modle: unknown; did you mean model?"),
    "inside a line": ('[models]\nopus = {model = "m", modle = "m"}\n', ", line 2: models.opus.modle: unknown; "),
    "behind a long text": (
        'allowed_hosts = """\nport = 1\n"""\nqqq = 1\n',
        ", line 4: qqq: unknown, and no setting is called so",
    ),
    "a section": ("port = 1\n[modles]\n", ", line 2: modles: unknown; did you mean models?"),
}


@pytest.mark.parametrize(("text", "message"), WRONG_TOML.values(), ids=WRONG_TOML.keys())
def test_toml_is_refused_with_line_and_key(text: str, message: str) -> None:
    with pytest.raises(FileError) as refused:
        read(text, "models.toml", {})
    assert message in str(refused.value)


def test_the_ending_tells_the_language() -> None:
    with pytest.raises(FileError, match=r"models\.json: its name must end in \.yaml, \.yml or \.toml"):
        read("{}", "models.json", {})


def test_a_key_is_in_nothing_that_is_printed() -> None:
    assert "sk-router" not in repr(read(YAML, "models.yaml", KEYS))
