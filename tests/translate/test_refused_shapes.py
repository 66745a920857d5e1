"""Tools and messages that a backend refuses are laid out in another way; what they say stays."""

from dataclasses import replace
from typing import Any

import pytest

from anthropic_proxy.dialects import PLAIN, Dialect
from anthropic_proxy.wire.json import dumps
from tests.translate.refusals import (
    CALLING,
    HELLO,
    IMAGE,
    RESULT,
    SENT,
    WITH_TOOLS,
    Case,
    changes,
    rounds,
    saying,
    says,
    sending,
    tool,
)

BAD_SCHEMA = says(
    "Invalid schema for function 'Bash': In context=('properties', 'temperature'), 'uniqueItems' is not permitted.",
    code="invalid_function_parameters",
    param="tools[1].function.parameters",
)
GEMINI = says(
    'Invalid JSON payload received. Unknown name "exclusiveMinimum" at '
    "'tools[0].function_declarations[1].parameters.properties[0].value': Cannot find field."
)

TOOL_SHAPES: dict[str, Case] = {
    "the keyword that is named": (
        BAD_SCHEMA,
        WITH_TOOLS | {"temperature": 1},
        PLAIN,
        {"schema_steps": (("Bash", 1, "uniqueItems"),)},
    ),
    "then pattern and format": (
        BAD_SCHEMA,
        WITH_TOOLS,
        replace(PLAIN, schema_steps=(("Bash", 1, "uniqueItems"),)),
        {"schema_steps": (("Bash", 2, "uniqueItems"),)},
    ),
    "then all but the names": (
        BAD_SCHEMA,
        WITH_TOOLS,
        replace(PLAIN, schema_steps=(("Bash", 2, "uniqueItems"),)),
        {"schema_steps": (("Bash", 3, "uniqueItems"),)},
    ),
    "then nothing more, whatever else is named": (
        BAD_SCHEMA,
        WITH_TOOLS | {"temperature": 1},
        replace(PLAIN, schema_steps=(("Bash", 3, "uniqueItems"),)),
        None,
    ),
    "a second keyword goes to the last step": (
        BAD_SCHEMA,
        WITH_TOOLS,
        replace(PLAIN, schema_steps=(("Bash", 1, "const"),)),
        {"schema_steps": (("Bash", 3, "const"),)},
    ),
    "other tools keep their steps": (
        BAD_SCHEMA,
        WITH_TOOLS,
        replace(PLAIN, schema_steps=(("Read", 2, ""),)),
        {"schema_steps": (("Read", 2, ""), ("Bash", 1, "uniqueItems"))},
    ),
    "a pattern that is no regex": (
        says("Invalid schema for function 'Read': In context=('properties', 'x'), '^(?!y)' is not a 'regex'."),
        WITH_TOOLS,
        PLAIN,
        {"schema_steps": (("Read", 1, "pattern"),)},
    ),
    "no keyword named": (
        says("Invalid schema for function 'Read': it is odd."),
        WITH_TOOLS,
        PLAIN,
        {"schema_steps": (("Read", 2, ""),)},
    ),
    "Anthropic's place": (
        says("tools.1.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"),
        WITH_TOOLS,
        PLAIN,
        {"schema_steps": (("Bash", 1, "oneOf"),)},
    ),
    "a function that was not sent": (
        says("Invalid schema for function 'Gone': 'const' is not permitted"),
        WITH_TOOLS,
        PLAIN,
        None,
    ),
    "an index that was not sent": (
        says("tools.7.custom.input_schema: JSON schema is invalid."),
        WITH_TOOLS,
        PLAIN,
        None,
    ),
    "Gemini's place tells its family": (GEMINI, WITH_TOOLS, PLAIN, {"schema": "gemini"}),
    "and then the tool": (
        GEMINI,
        WITH_TOOLS,
        replace(PLAIN, schema="gemini"),
        {"schema_steps": (("Bash", 1, "exclusiveMinimum"),)},
    ),
    "llama.cpp's grammar": (says("failed to parse grammar"), WITH_TOOLS, PLAIN, {"schema": "grammar"}),
    "a grammar that was cleaned already": (
        says("failed to parse grammar"),
        WITH_TOOLS,
        replace(PLAIN, schema="grammar"),
        None,
    ),
    "a long description": (
        says(
            "Invalid 'tools[2].function.description': string too long. Expected a string with maximum length 1024, but "
            "got a string with length 2000 instead.",
            code="string_above_max_length",
            param="tools[2].function.description",
        ),
        WITH_TOOLS,
        PLAIN,
        {"description_max": 1024},
    ),
    "a long description without a number": (
        says("tool description too long"),
        WITH_TOOLS,
        PLAIN,
        {"description_max": 1024},
    ),
    "a description that is not long": (says("tool description too long"), sending(tools=[tool("Read")]), PLAIN, None),
    "a long id": (
        says(
            "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with "
            "maximum length 40, but got "
            "a string with length 48 instead.",
            code="string_above_max_length",
        ),
        saying(HELLO, CALLING, RESULT),
        PLAIN,
        {"tool_id_max": 40},
    ),
    "a long id that is cut already": (
        says("Invalid 'messages[1].tool_calls[0].id': string too long."),
        saying(HELLO, CALLING, RESULT),
        replace(PLAIN, tool_id_max=40),
        None,
    ),
    "Mistral's nine characters": (
        says("Tool call id was call_0123 but must be a-z, A-Z, 0-9, with a length of 9."),
        saying(HELLO, CALLING, RESULT),
        PLAIN,
        {"tool_id": "alnum9"},
    ),
    "an id with a foreign character": (
        says("messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"),
        saying(HELLO, CALLING, RESULT),
        replace(PLAIN, tool_id="verbatim"),
        {"tool_id": "any"},
    ),
    "calls without tools": (
        says("Bedrock doesn't support tool calling without `tools=` param specified"),
        saying(HELLO, CALLING, RESULT),
        PLAIN,
        {"tools_with_history": True},
    ),
}


WITH_IMAGE = saying({"role": "user", "content": [{"type": "text", "text": "Look"}, IMAGE]})
SYSTEM = {"role": "system", "content": "Be kind."}
DEVELOPER = {"role": "developer", "content": "Be kind."}
ALTERNATE = says("After the optional system message, conversation roles must alternate user and assistant roles.")
KEEPING = replace(PLAIN, mid_system="keep")
PARTS = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}

IMAGES: dict[str, Case] = {
    "images, in OpenAI's words": (
        says("Invalid content type. image_url is only supported by certain models."),
        WITH_IMAGE,
        PLAIN,
        {"vision": False},
    ),
    "images, in vLLM's words": (says("gpt-9 is not a multimodal model"), WITH_IMAGE, PLAIN, {"vision": False}),
    "images, in DeepSeek's words": (
        says("Failed to deserialize: messages[0]: unknown variant `image_url`, expected `text`"),
        WITH_IMAGE,
        PLAIN,
        {"vision": False},
    ),
    "images, in llama.cpp's words": (
        says("image input is not supported - hint: you may need to provide the mmproj"),
        WITH_IMAGE,
        PLAIN,
        {"vision": False},
    ),
    "images, in OpenRouter's words": (
        says("No endpoints found that support image input"),
        WITH_IMAGE,
        PLAIN,
        {"vision": False},
    ),
    "images nobody sent": (says("image input is not supported"), SENT, PLAIN, None),
    "one image that cannot be read": (
        says("You uploaded an unsupported image. Please make sure your image is valid."),
        WITH_IMAGE,
        PLAIN,
        None,
    ),
    "one kind of image": (says("image/tiff is not supported"), WITH_IMAGE, PLAIN, None),
}

ROLES: dict[str, Case] = {
    "the role developer": (
        says("'developer' is not one of ['system', 'assistant', 'user', 'function'] - 'messages.0.role'"),
        saying(DEVELOPER, HELLO),
        replace(PLAIN, system_role="developer"),
        {"system_role": "system"},
    ),
    "a role nobody sent": (says("Unexpected role 'developer'"), SENT, PLAIN, None),
    "a late system message": (
        says("System message must be at the beginning."),
        saying(SYSTEM, HELLO, SYSTEM),
        KEEPING,
        {"mid_system": "fold"},
    ),
    "a late developer message among roles that must alternate": (
        ALTERNATE,
        saying(DEVELOPER, HELLO, DEVELOPER),
        KEEPING,
        {"mid_system": "fold"},
    ),
    "a first message that is not the user's": (ALTERNATE, saying(SYSTEM, CALLING, RESULT), PLAIN, {"first_user": True}),
    "a user after a tool": (
        says("Unexpected role 'user' after role 'tool'", code="3230"),
        saying(HELLO, CALLING, RESULT, HELLO),
        PLAIN,
        {"after_tool": "bridge"},
    ),
    "a user after a tool, beside a late system message": (
        says("Unexpected role 'user' after role 'tool'"),
        saying(HELLO, CALLING, RESULT, HELLO, SYSTEM),
        KEEPING,
        {"after_tool": "bridge"},
    ),
    "roles that alternate as they should": (ALTERNATE, saying(SYSTEM, HELLO), PLAIN, None),
    "a user after a tool that is bridged already": (
        says("Unexpected role 'user' after role 'tool'"),
        saying(HELLO, CALLING, RESULT, HELLO),
        replace(PLAIN, after_tool="bridge"),
        None,
    ),
}

CONTENT: dict[str, Case] = {
    "parts where a string is wanted": (
        dumps({"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"}]}),
        saying(PARTS),
        PLAIN,
        {"content": "string"},
    ),
    "parts, in Go's words": (
        says("json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string"),
        saying(PARTS),
        PLAIN,
        {"content": "string"},
    ),
    "parts in a tool's message alone": (
        says("content must be a string"),
        saying(HELLO, CALLING | {"content": ""}, RESULT | {"content": [IMAGE]}),
        replace(PLAIN, tool_images=True),
        {"tool_images": False},
    ),
    "a null among strings": (
        says("messages.1.content: Input should be a valid string"),
        saying(HELLO, CALLING, RESULT),
        PLAIN,
        {"null_content": False},
    ),
    "a null among parts": (
        says("Invalid value for 'content': expected a string, got null."),
        saying(PARTS, CALLING, RESULT),
        PLAIN,
        {"null_content": False},
    ),
    "strings where a string is wanted": (says("content must be a string"), SENT, PLAIN, None),
    "an empty content that was null": (
        says("message content must not be empty"),
        saying(HELLO, CALLING, RESULT),
        PLAIN,
        {"null_content": False},
    ),
    "an empty content": (
        says("messages: text content blocks must be non-empty"),
        saying(HELLO, CALLING | {"content": ""}, RESULT),
        replace(PLAIN, null_content=False),
        {"empty_content": "(empty)"},
    ),
    "no content of ours is empty": (says("message content must not be empty"), SENT, PLAIN, None),
}

STREAMS: dict[str, Case] = {
    "a model that only streams": (
        says("This model only support stream mode, please enable the stream parameter to access the model."),
        sending(stream=False),
        PLAIN,
        {"stream_only": True},
    ),
    "a switch that wants a stream": (
        says("parameter.enable_thinking must be set to false for non-streaming calls"),
        sending(stream=False, enable_thinking=True),
        PLAIN,
        {"stream_only": True},
    ),
    "a stream where a stream is wanted": (says("This model only supports streaming."), SENT, PLAIN, None),
}

ALL = {**TOOL_SHAPES, **IMAGES, **ROLES, **CONTENT, **STREAMS}


@pytest.mark.parametrize(("body", "sent", "dialect", "expected"), ALL.values(), ids=ALL.keys())
def test_shape(body: bytes, sent: dict[str, Any], dialect: Dialect, expected: dict[str, object] | None) -> None:
    assert changes(body, sent, dialect) == expected


@pytest.mark.parametrize(("body", "sent", "dialect", "expected"), ALL.values(), ids=ALL.keys())
def test_a_backend_that_never_gives_in_is_not_asked_for_ever(
    body: bytes, sent: dict[str, Any], dialect: Dialect, expected: dict[str, object] | None
) -> None:
    asked = rounds(body, sent, dialect)
    assert len(asked) <= 6
    assert len(set(asked)) == len(asked)
