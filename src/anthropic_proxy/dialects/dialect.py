"""Dialect: the facts in which one backend departs from plain Chat Completions."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one backend departs from plain Chat Completions.

    Values are data, not functions. The defaults suit a backend nobody has described. Where no other
    source is named, a fact is from the comparison of backends read on 2026-11-22 (`docs/backends.md`
    gives them backend by backend).

    The text under a field goes into that page, and the comments above groups of fields are its headings.
    """

    # Name
    name: str = "plain"
    """What the settings call it. Model rules look at it, the translator never does."""

    # Address
    auth: Literal["bearer", "api-key"] = "bearer"
    """How the key is sent: `Authorization: Bearer`, or Azure's `api-key` header."""
    headers: tuple[tuple[str, str], ...] = ()
    """Request headers this backend wants beside the key, such as Copilot's editor headers."""
    initiator: bool = False
    """Say in `X-Initiator` and `Copilot-Vision-Request` who asks and whether images come along. Copilot."""
    initiator_in_body: bool = False
    """Put those two into the body's `extra_headers`, for LiteLLM to send on to Copilot. LiteLLM names models
    as its owner likes, so that nothing shows which of them are Copilot's: this one is set by hand."""
    body_headers: tuple[tuple[str, str], ...] = ()
    """With `initiator_in_body`: what goes into `extra_headers` too, since LiteLLM leaves out its own headers for
    Copilot wherever there are others. Named in small letters, or LiteLLM sends some of them twice."""

    # Length of the reply
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Field that caps the reply, in tokens. OpenAI's reasoning models refuse `max_tokens`; Ollama ignores the other."""
    max_output_tokens: int | None = None
    """The largest cap the model accepts, in tokens; larger wishes are lowered to it."""
    fills_window: bool = False
    """Learned for one request: its cap was lowered because prompt and cap together exceeded the window."""
    context_window: int | None = None
    """Tokens that prompt and reply share, where known; names the limit when a prompt is too long."""

    # Sampling and other parameters
    sampling: frozenset[str] = frozenset({"temperature", "top_p"})
    """Which of `temperature`, `top_p` and `top_k` are sent. `top_k` is not OpenAI's."""
    max_temperature: float = 2.0
    """Higher temperatures are lowered to it. Kimi: 1."""
    dropped: frozenset[str] = frozenset()
    """Names of body fields never sent: what a backend was seen to refuse."""
    extra_body: tuple[tuple[str, str | bool], ...] = ()
    """Fields added to every body as they are. MiniMax: `reasoning_split`."""
    service_tiers: tuple[tuple[str, str], ...] = ()
    """Anthropic's `service_tier` and `speed` values, each with what to send as `service_tier`."""
    user_field: Literal["user", "safety_identifier"] = "user"
    """Field for the hashed user id, if the settings ask for one."""

    # Messages
    system_role: Literal["system", "developer"] = "system"
    """Role of the leading instructions."""
    mid_system: Literal["fold", "keep"] = "fold"
    """A `system` message in mid-conversation: folded into the user turn before it, or kept in its place."""
    after_tool: Literal["user", "bridge"] = "user"
    """May a `user` message follow a `tool` message? Mistral's templates refuse it: `bridge`."""
    first_user: bool = False
    """Must the first message be the user's?"""
    null_content: bool = True
    """Is `content: null` right for an assistant message that only calls tools? Else `""` is sent."""
    empty_content: Literal["", "(empty)"] = ""
    """What is sent for no text where `null` is refused. Learned: `(empty)`, where an empty text is refused too."""
    content: Literal["parts", "string"] = "parts"
    """May a user message be a list of parts? `string` backends cannot see images."""
    vision: bool = True
    """Does the model accept images?"""
    tool_images: bool = False
    """May a `tool` message carry image parts? If not, they follow in a `user` message."""
    image_urls: bool = True
    """Does the backend fetch images by URL? Ollama wants them inline."""
    pdf: Literal["reject", "file"] = "reject"
    """A PDF: refused where the client put it, or sent as a `file` part."""
    pdf_urls: bool = False
    """May `file_data` be a URL? OpenRouter."""
    prefill: Literal["none", "native", "prefix", "partial", "template"] = "none"
    """How a last assistant message is continued: refused, as it is, or with the backend's own flag."""

    # Tools
    tool_choice: Literal["all", "no_named", "no_required", "auto_only", "ignored"] = "all"
    """Which `tool_choice` values are understood: all; not a named tool; neither `required` nor a named
    one while `auto` and `none` are; only `auto`; or the field is ignored (Ollama)."""
    forced_tool_while_thinking: bool = True
    """May a tool be forced while the model thinks? DeepSeek, Kimi and DashScope refuse; thinking is
    switched off then."""
    parallel_flag: bool = True
    """Is `parallel_tool_calls` understood? Without it, one call a turn is enforced here alone."""
    strict_flag: bool = True
    """Is `strict` in a function's definition understood?"""
    tool_result_name: bool = False
    """Do `tool` messages carry the tool's `name`? Some old servers insist."""
    tool_id: Literal["any", "alnum9", "verbatim"] = "any"
    """Call ids: free, nine letters and digits (Mistral), or to be returned as they came, however long
    (Kimi; LiteLLM hides Gemini's signatures in them)."""
    tool_id_max: int = 64
    """Longest call id, in characters. OpenAI, Azure and OpenRouter: 40."""
    name_start: Literal["any", "letter"] = "any"
    """Must a tool's name begin with a letter or `_`? Gemini, Kimi."""
    tools_with_history: bool = False
    """Must `tools` be there whenever the history has calls? Claude behind LiteLLM."""
    tool_stream: bool = False
    """Send `tool_stream: true`, without which Z.ai holds arguments back."""
    description_max: int | None = None
    """Longest description of a tool, in characters; the full text then goes to the system message."""
    schema: Literal["raw", "gemini", "mistral", "grammar"] = "raw"
    """Which schema keywords are taken out before sending: none, or what that family refuses."""
    schema_steps: tuple[tuple[str, int, str], ...] = ()
    """Learned: (tool name as it is sent, how far its schema is cut back, the keyword refused). Steps: 1 the
    keyword alone, 2 `pattern` and `format` too, 3 all but the arguments' names."""

    # Structured output, stop sequences
    json: Literal["schema", "object", "none"] = "schema"
    """`response_format` the backend understands: a schema, any JSON object, or nothing of the kind."""
    stop_max: int = 4
    """Most stop sequences accepted; 0 where `stop` is refused."""
    stop_report: Literal["none", "stop_reason", "matched_stop"] = "none"
    """Where a choice names the stop sequence that matched. Only then are they sent; else the proxy scans."""

    # Reasoning
    reasoning: Literal[
        "auto", "none", "effort", "reasoning_object", "thinking_object", "enable_thinking", "template"
    ] = "auto"
    """How thinking is asked for. `auto`: `effort` for REASONING_MODEL, else `none`."""
    efforts: tuple[str, ...] = ("low", "medium", "high")
    """Effort levels understood, weakest first; others are moved to the nearest."""
    effort_off: Literal["", "none", "minimal"] = "none"
    """Effort value that switches reasoning off. Empty where nothing does: then no switch of any kind is sent,
    whatever `reasoning` says."""
    thinking_effort: bool = False
    """Does a `thinking_object` backend take `reasoning_effort` beside it? DeepSeek, GLM from 5.2 on."""
    thinking_extra: tuple[tuple[str, str | bool], ...] = ()
    """Entries added to the `thinking` object when on. GLM `clear_thinking: false`, Kimi `keep: "all"`."""
    thinking_budget: bool = False
    """Is `thinking_token_budget` understood beside the chat template's switch? vLLM, if configured."""
    reasoning_fields: tuple[str, ...] = ("reasoning_content", "reasoning", "reasoning_text")
    """Where reasoning text is read from; the first that is not empty counts."""
    reasoning_back_field: Literal[
        "none",
        "reasoning_content",
        "reasoning",
        "reasoning_text",
        "reasoning_details",
        "thinking_blocks",
        "reasoning_opaque",
        "extra_content",
        "parts",
    ] = "none"
    """Field of an assistant message in which earlier reasoning goes back."""
    reasoning_back: Literal["tool_calls", "all", "none"] = "tool_calls"
    """Which assistant turns carry it: those with tool calls, all, or none."""
    reasoning_placeholder: str | None = None
    """Sent where reasoning is demanded and lost. DeepSeek `""`, Kimi `" "`,
    Gemini `skip_thought_signature_validator`."""
    late_state: bool = False
    """Does opaque state come after the calls? They are then held until the end. Copilot, OpenRouter for OpenAI."""
    think_tags: bool = False
    """Does reasoning come as `<think>…</think>` at the start of the text? MiniMax, bare R1 hosts."""
    reasoning_outside: bool = False
    """Are reasoning tokens missing from `completion_tokens`? xAI."""

    # Stream
    usage_in_stream: Literal["ask", "always", "never"] = "ask"
    """Must `stream_options.include_usage` be sent to get token counts? `never`: it is refused."""
    eof_is_end: bool = False
    """May a stream end without `finish_reason` and `[DONE]`? Copilot."""
    stream_only: bool = False
    """Does the model answer streams only? Some DashScope models."""

    # Caching and search
    cache: Literal["implicit", "anthropic", "copilot"] = "implicit"
    """What becomes of `cache_control`: nothing, the same on parts, or Copilot's own mark on messages."""
    cache_key: bool = False
    """Send `prompt_cache_key`, which keeps a session's requests on one cache. OpenAI, Azure."""
    session_id: bool = False
    """Send the same value as `session_id`. OpenRouter."""
    web_search: Literal["none", "openrouter", "openai"] = "none"
    """Can the backend search the web itself, and how is it asked?"""


PLAIN = Dialect()
"""Chat Completions as most servers speak it."""
