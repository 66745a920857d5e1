"""What may stand in a settings file: the shapes of its sections."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BackendSpec(_Section):
    """One of `backends:`."""

    base_url: Text = Field(description="What stands before `/chat/completions`.")
    key_variable: Text | None = Field(
        default=None,
        description="Environment variable that holds its key. Without it none is sent; and never is a client's own, "
        "whatever `FORWARD_KEY` says.",
    )
    dialect: dict[str, JsonValue] = Field(
        default={},
        description="Single facts of its dialect that differ, as `backends.md` lists them. "
        "`name` says which backend it is, if the URL does not tell.",
    )
    headers: dict[str, Text] = Field(
        default={}, description="Headers to send with each request. `${NAME}` in them is that variable."
    )


class RouteSpec(_Section):
    """One of `models:`. A text alone is the `model`."""

    backend: Text | None = Field(
        default=None,
        description="One of `backends:`. Without it, and without a `base_url`, it is that of `OPENAI_API_BASE`.",
    )
    base_url: Text | None = Field(default=None, description="A backend that has no other entry, by its base URL.")
    key_variable: Text | None = Field(default=None, description="With `base_url`: the variable that holds its key.")
    model: Text | None = Field(
        default=None,
        description="What is asked for there. A `*` in it is what the `*` of the pattern stood for. "
        "Without it, the client's own words.",
    )
    dialect: dict[str, JsonValue] = Field(default={}, description="Facts that differ for this model.")
    headers: dict[str, Text] = Field(default={}, description="Headers to send with its requests.")
    max_output_tokens: Tokens | None = Field(
        default=None, description="The longest reply the model can give, in tokens. Larger wishes are lowered to it."
    )
    context_window: Tokens | None = Field(
        default=None, description="Tokens that prompt and reply share. Names the limit when a prompt is too long."
    )
    reasoning: bool = Field(
        default=False, description="Does the model understand effort levels? Asked where its dialect does not say."
    )
    set: dict[str, JsonValue] = Field(
        default={}, description="Fields of the request to it, by its own names, sent in any case."
    )
    default: dict[str, JsonValue] = Field(
        default={}, description="Such fields, sent where the client's request has none."
    )
    drop: list[Text] = Field(default=[], description="Such fields that are not sent. The reply's headers name them.")
    fallbacks: list[Text] = Field(
        default=[],
        description="Names, as a client would write them, that are tried in this order where this model fails before "
        "the first of its reply.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, str | dict):
            raise ValueError("must be a model's name, or keys with values")
        return {"model": value} if isinstance(value, str) else value


class LongContextSpec(_Section):
    """`long_context:`."""

    above: Tokens = Field(description="Tokens, as estimated here, from which on a prompt is long.")
    model: Text = Field(description="The name, as a client would write it, whose route long prompts take.")


class FileSpec(_Section):
    """The file, but for its settings."""

    backends: dict[Text, BackendSpec] = {}
    models: dict[Text, RouteSpec] = {}
    long_context: LongContextSpec | None = None
    safety_check: Text | None = None
    cool_down: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
