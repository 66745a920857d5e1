"""MODEL_RULES: what single models change in the dialect of their backend.

`why` names its source as the comments of `table.py` do, and the same dates hold.
"""

from typing import NamedTuple


class Rule(NamedTuple):
    """Fields to change for some models of some backends.

    `dialect` and `model` are globs, several with `|` between them, matched in lower case. `model` is matched
    against what follows the last slash of the model's id (`claude-sonnet-4.5` for `anthropic/claude-sonnet-4.5`);
    a glob with a slash in it against the whole id.
    """

    dialect: str
    model: str
    fields: dict[str, object]
    why: str


_OPENAI = "openai|azure|copilot"
_OPENAI_OR_LITELLM = f"{_OPENAI}|litellm"

_OPENAI_REASONING = "o[1-9]*|gpt-[5-9]*"
"""Names of OpenAI's reasoning models. `gpt-oss` and Azure's `gpt-35-turbo` are not among them."""

_CLAUDE_TO_4_5 = (
    "*claude-[23]*|*claude-instant*"
    "|*claude-*-4|*claude-*-4:*|*claude-*-4@*|*claude-*-4-20*"
    "|*claude-*-4[.-][0-5]|*claude-*-4[.-][0-5][-:@]*"
)
"""Names of the Claude models up to 4.5, in the spellings of Anthropic, OpenRouter, Bedrock and Vertex."""

_HOSTS_OF_OPEN_MODELS = (
    "plain|vllm|lmstudio|together|fireworks|cerebras|sambanova|nvidia|deepinfra|chutes|databricks|cloudflare"
    "|huggingface|tgi"
)

MODEL_RULES: tuple[Rule, ...] = (
    # OpenAI
    Rule(
        _OPENAI,
        _OPENAI_REASONING,
        {"max_tokens_field": "max_completion_tokens", "system_role": "developer"},
        "reasoning models refuse `max_tokens`, and `developer` replaces `system` from o1 on: openai (Python) 3.54",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        _OPENAI_REASONING,
        {"sampling": frozenset(), "stop_max": 0},
        "reasoning models take the default temperature only, and no `stop`: openai (Python) 3.54. "
        "LiteLLM refuses both for them by itself",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        "o[1-9]*",
        {"effort_off": ""},
        "models before gpt-5 cannot stop reasoning: learn.microsoft.com, ReasoningEffort",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        "gpt-5|gpt-5-*",
        {"effort_off": "minimal"},
        "`none` is known from gpt-5.1 on: learn.microsoft.com, ReasoningEffort",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        "gpt-5.[2-5]*|gpt-5.1-codex-max*",
        {"efforts": ("low", "medium", "high", "xhigh")},
        "`xhigh` is known after gpt-5.1-codex-max: learn.microsoft.com, ReasoningEffort",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        "gpt-5.[6-9]*|gpt-[6-9]*",
        {"efforts": ("low", "medium", "high", "xhigh", "max")},
        "`max` is known from gpt-5.6 on: anomalyco/opencode#36141",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        "gpt-*-codex*|gpt-[6-9]*",
        {"effort_off": ""},
        "codex models and gpt-6 know neither `none` nor `minimal`: meerkat-core 0.6.25, Langertha 0.503",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        "gpt-5-pro*",
        {"efforts": ("high",), "effort_off": ""},
        "`high` is the only value: learn.microsoft.com, ReasoningEffort",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        "gpt-3*|gpt-4*|chatgpt-4o*|gpt-5*-chat*",
        {"reasoning": "none"},
        "do not reason, and refuse `reasoning_effort`",
    ),
    Rule(
        _OPENAI_OR_LITELLM,
        "gpt-*-search*",
        {"web_search": "openai", "sampling": frozenset(), "reasoning": "none"},
        "the only models that take `web_search_options`: openai (Python) 3.54",
    ),
    # Claude
    Rule(
        "openrouter|litellm",
        "*claude*",
        {"cache": "anthropic"},
        "Anthropic caches what is marked only: openrouter.ai/docs, prompt caching; litellm 1.109.1",
    ),
    Rule(
        "openrouter|litellm",
        _CLAUDE_TO_4_5,
        {"prefill": "native"},
        "up to 4.5 a last assistant message is continued, from 4.6 on it is refused: Anthropic's documentation",
    ),
    Rule(
        "litellm",
        "*claude*",
        {"reasoning_back_field": "thinking_blocks", "tools_with_history": True},
        "signed thinking goes back in `thinking_blocks`, and calls in the history without `tools` are an error: "
        "litellm 1.109.1",
    ),
    # OpenRouter
    Rule(
        "openrouter",
        "openai/*",
        {"late_state": True},
        "the encrypted reasoning comes after the calls: earendil-works/pi",
    ),
    Rule("openrouter", "openai/gpt-oss*", {"late_state": False}, "open weights: nothing is encrypted"),
    Rule(
        "openrouter",
        "qwen/*",
        {"cache": "anthropic"},
        "Alibaba caches what is marked only: openrouter.ai/docs, prompt caching",
    ),
    # Gemini
    Rule(
        "openrouter|litellm|copilot",
        "*gemini*",
        {"name_start": "letter"},
        "Google's rule for function names, wherever the model is reached",
    ),
    Rule(
        "gemini",
        "*flash*",
        {"effort_off": "none"},
        "Flash models can stop thinking, and know no `minimal`: discuss.ai.google.dev, 118724",
    ),
    Rule(
        "gemini",
        "*gemini-3-pro*",
        {"efforts": ("low", "high")},
        "400 for `medium`: discuss.ai.google.dev, 112648",
    ),
    Rule("gemini", "*gemini-1*|*gemini-2.0*|*gemma*", {"reasoning": "none"}, "do not reason"),
    # Mistral
    Rule(
        "mistral",
        "magistral*",
        {"reasoning_back_field": "parts"},
        "always reasons, in content parts of type `thinking`, which go back as they came: litellm 1.109.1",
    ),
    Rule(
        "mistral",
        "mistral-small-latest|mistral-small-2603*|mistral-medium-3*5*",
        {"reasoning": "effort", "efforts": ("high",), "reasoning_back_field": "parts"},
        "`reasoning_effort` is `high` or `none`: docs.mistral.ai, adjustable reasoning",
    ),
    Rule(
        "mistral",
        "mistral-large-4*",
        {"reasoning": "effort", "reasoning_back_field": "parts"},
        "takes low, medium and high: docs.mistral.ai, reasoning",
    ),
    Rule(
        "vllm",
        "*mistral*|*ministral*|*magistral*|*devstral*|*mixtral*|*pixtral*",
        {"after_tool": "bridge", "tool_id": "alnum9", "reasoning": "none"},
        "vLLM uses Mistral's own templates: strict about roles and ids (mistral #6862, mistral-common#169), "
        "and without `chat_template_kwargs`",
    ),
    # Kimi
    Rule(
        "kimi",
        "kimi-k2.[5-9]*|kimi-k2-thinking*|kimi-k[3-9]*|kimi-for-coding*",
        {"sampling": frozenset()},
        "thinking models fix temperature and top_p: java.agentscope.io, Kimi",
    ),
    Rule(
        "kimi",
        "kimi-k2-*|moonshot-v1-*",
        {"reasoning": "none", "thinking_extra": (), "content": "string", "vision": False},
        "before K2.5 the name decides about thinking (platform.moonshot.cn), and text-only models want strings",
    ),
    Rule("kimi", "moonshot-v1-*vision*", {"content": "parts", "vision": True}, "sees images"),
    Rule("kimi", "kimi-k2.5*", {"thinking_extra": ()}, "`keep` came with K2.6: openclaw#68816"),
    Rule(
        "kimi",
        "kimi-k2.7*|kimi-k[3-9]*|kimi-k2-thinking*",
        {"effort_off": ""},
        "cannot stop thinking: java.agentscope.io, Kimi",
    ),
    Rule(
        "kimi",
        "kimi-k[3-9]*",
        {"reasoning": "effort", "efforts": ("low", "high", "max"), "thinking_extra": ()},
        "takes `reasoning_effort` and no `thinking`: java.agentscope.io, Kimi",
    ),
    # GLM
    Rule(
        "glm",
        "glm-4*|glm-5|glm-5-*|glm-5.[01]*",
        {"thinking_effort": False},
        "`reasoning_effort` is known from GLM-5.2 on: nesquena/hermes-webui, 0.52.105",
    ),
    Rule(
        "glm",
        "glm-5.[3-9]*|glm-[6-9]*|glm-4.7*",
        {"effort_off": ""},
        "reasoning cannot be disabled: openrouter.ai/z-ai/glm-5.3; nesquena/hermes-webui, 0.52.105 for 4.7. "
        "`none` is accepted and thinks at full depth: ceulen-dev/ceulen 0.23",
    ),
    # DeepSeek
    Rule(
        "deepseek*",
        "deepseek-reasoner*|deepseek-r1*",
        {"reasoning": "none", "effort_off": "", "tool_choice": "no_required"},
        "the name itself switches thinking on, and so no tool can be forced. Old ones refuse `reasoning_content` in "
        "the history; that is learned",
    ),
    Rule(
        "litellm",
        "*deepseek*|*kimi*|*glm-*",
        {"reasoning_back_field": "reasoning_content"},
        "these want their reasoning back in tool loops, and LiteLLM passes it on: litellm 1.109.1",
    ),
    # Qwen
    Rule(
        "dashscope",
        "qwq*|qvq*|qwen*-omni*|qwen3-[0-9]*|qwen3-*-thinking*",
        {"stream_only": True},
        '400 "enable_thinking must be set to false for non-streaming calls": langgenius/dify-official-plugins#2626',
    ),
    Rule(
        "dashscope",
        "qwq*|qvq*|*-thinking*",
        {"effort_off": "", "tool_choice": "no_required"},
        "cannot stop thinking, and so no tool can be forced",
    ),
    # xAI
    Rule(
        "xai",
        "grok-3-mini*|grok-[4-9]*|grok-code*|grok-latest*",
        {"stop_max": 0},
        "reasoning models refuse `stop`: opencodex#5280",
    ),
    Rule(
        "xai",
        "grok-3-mini*",
        {"reasoning": "effort", "efforts": ("low", "high"), "effort_off": ""},
        "takes `reasoning_effort`: NousResearch/hermes-agent#23088",
    ),
    Rule(
        "xai",
        "grok-4.[3-9]*|grok-4.20-multi-agent*|grok-[5-9]*|grok-latest*",
        {"reasoning": "effort"},
        "takes none, low, medium and high from 4.3 on: vercel/ai, @ai-sdk/xai 4.0",
    ),
    Rule("xai", "*non-reasoning*", {"stop_max": 4, "reasoning": "none"}, "does not reason: neavo/LinguaGacha#771"),
    # Open weights, wherever they run
    Rule(
        f"{_HOSTS_OF_OPEN_MODELS}|sglang|groq|ollama|litellm",
        "gpt-oss*",
        {"reasoning": "effort", "efforts": ("low", "medium", "high"), "effort_off": ""},
        "its three levels are part of the prompt format; it cannot stop: mozilla-ai/any-llm#103, docs.vllm.ai",
    ),
    Rule(
        _HOSTS_OF_OPEN_MODELS,
        "*deepseek-r1*|*r1-distill*|*qwq*",
        {"think_tags": True},
        "hosts without a reasoning parser leave `<think>` in the text",
    ),
)
"""Applied in order, on top of the backend's dialect: a later rule wins."""
