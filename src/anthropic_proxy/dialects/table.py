"""DIALECTS: the backends known by their address, each as the list of its departures from PLAIN.

Every departure has a comment that says why; `docs/backends.md` is made from them. What names a source was read
there between 2026-11-22 and 2026-11-25: a page, a program of that version, or a thread on GitHub (`project#1`).
What names none is common knowledge that nobody checked. No backend was called.

A variant of a backend is named after it, with a hyphen: rules for `deepseek*` hold for `deepseek-beta` too.
"""

from dataclasses import replace
from typing import NamedTuple

from anthropic_proxy.dialects.dialect import PLAIN, Dialect


class Entry(NamedTuple):
    """A backend: how its base URL looks, and what it departs in.

    `hosts` are globs, matched against the host of the base URL in lower case; one with a slash in it is
    matched against host and path. Servers that people run themselves have no host: their entry is found by
    the name that the settings give or that `recognise` finds.
    """

    hosts: tuple[str, ...]
    dialect: Dialect


_WITH_TOP_K = frozenset({"temperature", "top_p", "top_k"})

_DEEPSEEK = Dialect(
    name="deepseek",
    reasoning="thinking_object",  # api-docs.deepseek.com, thinking mode
    thinking_effort=True,  # `reasoning_effort` beside `thinking`: api-docs.deepseek.com
    efforts=("low", "high", "max"),  # medium is taken as high: api-docs.deepseek.com
    forced_tool_while_thinking=False,  # 400 "… does not support this tool_choice", deepseek-ai/DeepSeek-V3#1376
    reasoning_back_field="reasoning_content",  # demanded on turns with tool calls, else 400: api-docs.deepseek.com
    reasoning_placeholder="",  # the empty text is accepted where the reasoning is lost: litellm 1.109.1
    json="object",  # takes `json_object` only
)

_COPILOT_HEADERS = (
    ("Copilot-Integration-Id", "vscode-chat"),
    ("Editor-Version", "vscode/1.107.0"),
    ("Editor-Plugin-Version", "copilot-chat/0.35.0"),
    ("Openai-Intent", "conversation-panel"),
)

DIALECTS: tuple[Entry, ...] = (
    Entry(
        ("api.openai.com", "*.api.openai.com"),
        Dialect(
            name="openai",
            max_tokens_field="max_completion_tokens",  # the only one reasoning models take: openai (Python) 3.54
            mid_system="keep",  # the role is allowed at any place
            tool_id_max=40,  # 400 string_above_max_length, agno#5382; perhaps gone since (vercel/ai#17233)
            pdf="file",  # `file` parts with `file_data`: openai (Python) 3.54
            reasoning="effort",  # openai (Python) 3.54; models that do not reason have a rule
            cache_key=True,  # `prompt_cache_key`: openai (Python) 3.54
            user_field="safety_identifier",  # `user` is deprecated: openai (Python) 3.54
            # openai (Python) 3.54: `default` is the tier without a surcharge, `priority` the one served first
            service_tiers=(("standard_only", "default"), ("fast", "priority")),
        ),
    ),
    Entry(
        (
            *("*.openai.azure.com", "*.openai.azure.us", "*.cognitiveservices.azure.com"),
            "*.services.ai.azure.com",  # Foundry: /openai/v1, and deployments of other makers' models
        ),
        Dialect(
            name="azure",
            auth="api-key",  # both the deployment URLs and /openai/v1 take this header
            max_tokens_field="max_completion_tokens",  # the gpt-5 family takes no other
            mid_system="keep",  # as OpenAI
            tool_id_max=40,  # 400 string_above_max_length, Portkey gateway#1062
            reasoning="effort",  # as OpenAI
            cache_key=True,  # as OpenAI
        ),
    ),
    Entry(
        ("openrouter.ai", "*.openrouter.ai"),
        Dialect(
            name="openrouter",
            reasoning="reasoning_object",  # openrouter.ai/docs, reasoning tokens
            efforts=("low", "medium", "high", "xhigh", "max"),  # openrouter.ai/docs, ChatRequestEffort
            # openrouter.ai/docs: to be sent back unchanged and in order; vscode#318809
            reasoning_back_field="reasoning_details",
            sampling=_WITH_TOP_K,  # takes `top_k`
            tool_id_max=40,  # OpenAI's limit, passed through
            pdf="file",  # takes PDFs for all models, and reads them itself for some
            pdf_urls=True,  # `file_data` may be a URL
            usage_in_stream="always",  # openrouter.ai/docs: usage comes unasked
            session_id=True,  # openrouter.ai/docs: keeps a session on one host, and so on its cache
            web_search="openrouter",  # the `web` plugin
        ),
    ),
    Entry(
        ("api.deepseek.com/beta*",),
        replace(
            _DEEPSEEK,
            name="deepseek-beta",
            prefill="prefix",  # api-docs.deepseek.com, chat prefix completion: on the beta URL only
        ),
    ),
    Entry(("api.deepseek.com",), _DEEPSEEK),
    Entry(
        ("api.moonshot.*", "api.kimi.com"),
        Dialect(
            name="kimi",
            max_temperature=1.0,  # earendil-works/pi; the thinking models pin it
            reasoning="thinking_object",  # an object, refused as a bool: continue#11600
            thinking_extra=(("keep", "all"),),  # else earlier reasoning is paid for and ignored: justrach/codegraff#323
            # 400 "reasoning_content is missing in assistant tool call message", nanobot#3939
            reasoning_back_field="reasoning_content",
            reasoning_back="all",  # goes with `keep: "all"`
            reasoning_placeholder=" ",  # the empty text counts as missing: nanobot#3939
            tool_choice="no_required",  # no `required`: earendil-works/pi
            forced_tool_while_thinking=False,  # refused while thinking: sim#5716
            tool_id="verbatim",  # the template reads `functions.NAME:INDEX`
            name_start="letter",  # function names begin with a letter
            strict_flag=False,  # unknown there: earendil-works/pi
            prefill="partial",  # its partial mode
        ),
    ),
    Entry(
        ("api.z.ai", "open.bigmodel.cn"),
        Dialect(
            name="glm",
            reasoning="thinking_object",  # docs.z.ai, thinking mode
            thinking_effort=True,  # from GLM-5.2 on: nesquena/hermes-webui, 0.52.105
            efforts=("low", "high", "max"),  # openrouter.ai/z-ai/glm-5.3
            thinking_extra=(("clear_thinking", False),),  # docs.z.ai, preserved thinking: else history is thrown away
            reasoning_back_field="reasoning_content",  # docs.z.ai, preserved thinking
            reasoning_back="all",  # docs.z.ai, preserved thinking: unchanged and complete
            tool_choice="auto_only",  # doc.agentscope.io
            parallel_flag=False,  # not a parameter there
            strict_flag=False,  # refused: doc.agentscope.io
            tool_stream=True,  # else a call's arguments come in one piece at its end: doc.agentscope.io
            usage_in_stream="always",  # refuses `stream_options` (earendil-works/pi); the last chunk has the usage
        ),
    ),
    Entry(
        ("dashscope*.aliyuncs.com", "*.dashscope.aliyuncs.com"),
        Dialect(
            name="dashscope",
            sampling=_WITH_TOP_K,  # takes `top_k`
            reasoning="enable_thinking",  # help.aliyun.com, deep thinking: with `thinking_budget`
            # 400 "does not support being set to required or object in thinking mode", cloudwego/eino#994
            forced_tool_while_thinking=False,
            cache="anthropic",  # its explicit cache takes the same marks as Anthropic's
        ),
    ),
    Entry(
        ("generativelanguage.googleapis.com", "aiplatform.googleapis.com", "*-aiplatform.googleapis.com"),
        Dialect(
            name="gemini",
            null_content=False,  # `content: null` is refused
            parallel_flag=False,  # unknown to the compatibility layer
            name_start="letter",  # function names begin with a letter or `_`
            schema="gemini",  # keywords refused in function declarations: litellm 1.109.1
            reasoning="effort",  # ai.google.dev/gemini-api/docs/openai, thinking
            effort_off="",  # the Pro models cannot stop (spring-ai#4983); the Flash models have a rule
            # 400 "Function call is missing a thought_signature", codex#7519
            reasoning_back_field="extra_content",
            # accepted where the signature is lost: continue#8865
            reasoning_placeholder="skip_thought_signature_validator",
        ),
    ),
    Entry(
        ("api.githubcopilot.com", "api.*.githubcopilot.com", "copilot-api.*.ghe.com"),
        Dialect(
            name="copilot",
            # refuses requests that name no editor; the versions are those an editor of 2026 sent (earendil-works/pi)
            headers=_COPILOT_HEADERS,
            initiator=True,  # billing tells a user's prompt from an agent's turn: copilot-api, litellm 1.109.1
            image_urls=False,  # 400 "external image URLs are not supported", ericc-ch/copilot-api#155
            reasoning="effort",  # on some models, a 400 on others: opencode#4468
            reasoning_fields=("reasoning_text", "reasoning_content", "reasoning"),  # opencode#8900
            reasoning_back_field="reasoning_opaque",  # with `reasoning_text`, on turns with calls: opencode#8900
            late_state=True,  # `reasoning_opaque` comes after the calls: opencode#8900
            eof_is_end=True,  # `finish_reason` may be missing: copilot-sdk#1081
            cache="copilot",  # `copilot_cache_control` on messages: copilot-api
        ),
    ),
    Entry(
        (),
        Dialect(
            name="litellm",
            reasoning="effort",  # translated for each model: litellm 1.109.1
            pdf="file",  # translated for each model: litellm 1.109.1
            # `extra_headers` replace all of its own headers for Copilot: litellm 1.105.2, run 2026-11-25
            body_headers=tuple((name.lower(), value) for name, value in _COPILOT_HEADERS),
            # Gemini's signatures are hidden in the ids, `call_…__thought__…`, and an alias does not tell which
            # model is behind it: litellm 1.109.1
            tool_id="verbatim",
        ),
    ),
    Entry(
        (),
        Dialect(
            name="vllm",
            sampling=_WITH_TOP_K,  # takes `top_k`
            prefill="template",  # `continue_final_message`
            stop_report="stop_reason",  # vllm#2976
            reasoning="template",  # docs.vllm.ai 0.26, reasoning outputs
            reasoning_back_field="reasoning",  # docs.vllm.ai 0.26: the input field, `reasoning_content` before
        ),
    ),
    Entry(
        (),
        Dialect(
            name="sglang",
            sampling=_WITH_TOP_K,  # takes `top_k`
            prefill="template",  # `continue_final_message`
            stop_report="matched_stop",  # sglang, sse_utils.py
            reasoning="template",  # `chat_template_kwargs`
            reasoning_back_field="reasoning_content",  # a field of input messages: sglang, protocol.py
        ),
    ),
    Entry(
        (),
        Dialect(
            name="llamacpp",
            sampling=_WITH_TOP_K,  # takes `top_k`
            prefill="native",  # a last assistant message is continued
            tool_choice="no_named",  # the object form counts as `auto`, in silence: ggml-org/llama.cpp#26535
            schema="grammar",  # schemas become grammars, and keywords that these lack fail
            reasoning="template",  # `chat_template_kwargs`
            reasoning_back_field="reasoning_content",  # accepted back: llama.cpp#16934
        ),
    ),
    Entry(
        ("ollama.com", "*.ollama.com"),
        Dialect(
            name="ollama",
            tool_choice="ignored",  # ignored: ollama, openai.go
            parallel_flag=False,  # ignored: ollama, openai.go
            null_content=False,  # `content: null` is refused
            image_urls=False,  # data: URLs only: ollama, openai.go
            reasoning="effort",  # ollama, openai.go
            efforts=("low", "medium", "high", "max"),  # any other value is a 400: ollama, openai.go
            reasoning_back_field="reasoning",  # read from assistant messages: ollama, openai.go
        ),
    ),
    Entry(
        (),
        Dialect(
            name="lmstudio",
            tool_choice="no_named",  # a string only: Open-Historia/open-historia#333
            image_urls=False,  # "'url' field must be a base64 encoded image", lmstudio-ai/lmstudio-bug-tracker#1120
        ),
    ),
    Entry(
        ("api.groq.com",),
        Dialect(
            name="groq",
            reasoning="none",  # 400 on models that do not reason; the others have rules: iamsrikanthnani/pluely#242
        ),
    ),
    Entry(
        ("api.x.ai", "*.api.x.ai"),
        Dialect(
            name="xai",
            reasoning="none",  # 400 on most models; the others have rules: NousResearch/hermes-agent#23088
            reasoning_outside=True,  # total − prompt − completion = reasoning: opencodex#5280
        ),
    ),
    Entry(
        ("api.mistral.ai", "codestral.mistral.ai"),
        Dialect(
            name="mistral",
            after_tool="bridge",  # "Unexpected role 'user' after role 'tool'", mistral-common#169
            null_content=False,  # `content: null` is refused
            tool_id="alnum9",  # ids are exactly nine letters and digits: avante.nvim#2951
            strict_flag=False,  # taken out by litellm 1.109.1
            schema="mistral",  # `$id`, `$schema`, `additionalProperties: false` are refused: litellm 1.109.1
            prefill="prefix",  # `prefix: true`
            reasoning="none",  # the models that reason have rules
            usage_in_stream="always",  # `include_usage` is refused, the usage comes anyway: dnakov/anon-kode#53
        ),
    ),
    Entry(
        ("api.minimax.io", "api.minimaxi.com", "api.minimax.chat"),
        Dialect(
            name="minimax",
            reasoning="none",  # M2 always thinks
            effort_off="",  # so nothing switches it off
            extra_body=(("reasoning_split", True),),  # platform.minimax.io: puts thinking into `reasoning_details`
            reasoning_back_field="reasoning_details",  # platform.minimax.io: the whole message goes back in tool loops
            think_tags=True,  # where it is not split, thinking stands in the text: platform.minimax.io
        ),
    ),
    Entry(
        ("api.together.xyz", "api.together.ai"),
        Dialect(
            name="together",
            sampling=_WITH_TOP_K,  # takes `top_k`
            strict_flag=False,  # unknown there: earendil-works/pi
        ),
    ),
    Entry(
        ("api.fireworks.ai",),
        Dialect(
            name="fireworks",
            sampling=_WITH_TOP_K,  # takes `top_k`
        ),
    ),
    Entry(("api.cerebras.ai", "*.cerebras.ai"), Dialect(name="cerebras")),
    Entry(
        ("api.sambanova.ai",),
        Dialect(
            name="sambanova",
            content="string",  # litellm 1.109.1 flattens parts for it
            vision=False,  # follows from it
        ),
    ),
    Entry(
        ("integrate.api.nvidia.com", "*.api.nvidia.com"),
        Dialect(
            name="nvidia",
            strict_flag=False,  # unknown there: earendil-works/pi
        ),
    ),
    Entry(
        ("api.deepinfra.com",),
        Dialect(
            name="deepinfra",
            strict_flag=False,  # unknown there: earendil-works/pi
        ),
    ),
    Entry(
        ("chutes.ai", "*.chutes.ai"),
        Dialect(
            name="chutes",
            strict_flag=False,  # unknown there: earendil-works/pi
        ),
    ),
    # Wants the results of parallel calls in turns of their own, which no field says.
    Entry(
        ("*.cloud.databricks.com", "*.gcp.databricks.com", "*.azuredatabricks.net"),
        Dialect(name="databricks"),
    ),
    Entry(
        ("api.cloudflare.com", "gateway.ai.cloudflare.com"),
        Dialect(
            name="cloudflare",
            strict_flag=False,  # unknown there: earendil-works/pi
        ),
    ),
    Entry(("router.huggingface.co", "api-inference.huggingface.co"), Dialect(name="huggingface")),
    Entry((), Dialect(name="tgi")),
    Entry(("*",), PLAIN),
)
"""First match wins; the last matches all."""
