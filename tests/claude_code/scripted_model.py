"""A model made of a script, for an agent to work with: the same conversation gives the same reply.

The person's words name a scenario, `Play NAME.`; how often the model has called tools since then is the
step of it, so that an answer which broke off is given again. A step is what the model says, or a function
that looks at the conversation for it. A tool that the request does not offer cannot be called: the model
says so instead, and the test sees it.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

Body: TypeAlias = dict[str, Any]
"""A Chat Completions request."""


class Call(NamedTuple):
    """A tool to call. `tool` is its name, or text of its description where the name may be a shortened one."""

    tool: str
    arguments: dict[str, Any]


class Said(NamedTuple):
    """One reply of the model's."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""


Step: TypeAlias = Said | Callable[[Body], Said]


def reply(body: Body) -> Said:
    """What the model says next."""
    messages = body["messages"]
    if ASKS_FOR_SUMMARY in text_of(messages[-1]):
        return Said(f"<summary>{SUMMARY}</summary>")
    if body.get("response_format"):
        return Said('{"title": "A scripted session"}')
    start, name = scene(messages)
    number = sum(bool(message.get("tool_calls")) for message in messages[start:])
    steps = SCENARIOS[name]
    step = steps[min(number, len(steps) - 1)]
    said = step if isinstance(step, Said) else step(body)
    missing = [call.tool for call in said.calls if offered(body, call.tool) is None]
    return Said(f"No such tool is offered: {', '.join(missing)}.") if missing else said


ASKS_FOR_SUMMARY = "<summary>"
"""In the last message: the client compacts the conversation."""

SUMMARY = "The person and the model played scenarios."

_SCENE = re.compile(r"\bPlay ([a-z_]+)\.")


def scene(messages: Sequence[dict[str, Any]]) -> tuple[int, str]:
    """Where the scenario that is on began, and its name."""
    for number in range(len(messages) - 1, -1, -1):
        found = _SCENE.findall(text_of(messages[number])) if messages[number]["role"] == "user" else []
        if found:
            return number, found[-1]
    raise ValueError("the conversation names no scenario")


def text_of(message: dict[str, Any]) -> str:
    """All text of a message."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def offered(body: Body, tool: str) -> str | None:
    """The name under which the request offers the tool."""
    functions = [entry["function"] for entry in body.get("tools", [])]
    exact = [function["name"] for function in functions if function["name"] == tool]
    described = [function["name"] for function in functions if tool in function.get("description", "")]
    return next(iter([*exact, *described]), None)


def results(body: Body) -> list[str]:
    """What the tools answered since the model spoke last."""
    found: list[str] = []
    for message in reversed(body["messages"]):
        if message["role"] == "assistant":
            break
        if message["role"] == "tool":
            found.insert(0, text_of(message))
    return found


def quoted(body: Body) -> Said:
    """An answer that repeats what the tools said, so that the test sees it came through."""
    return Said("The tools said: " + " | ".join(results(body)))


def images_and_files(body: Body) -> Said:
    """An answer that tells which parts that are no text came since the model spoke last."""
    kinds: list[str] = []
    for message in reversed(body["messages"]):
        if message["role"] == "assistant":
            break
        parts = message["content"] if isinstance(message["content"], list) else []
        kinds = [_kind(part) for part in parts if part["type"] != "text"] + kinds
    return Said(f"I was shown: {', '.join(kinds) or 'nothing but text'}. The tools said: {' | '.join(results(body))}")


def _kind(part: dict[str, Any]) -> str:
    data = part["image_url"]["url"] if part["type"] == "image_url" else part["file"]["file_data"]
    return str(data).partition(";")[0].removeprefix("data:")


def bash(command: str) -> Call:
    return Call("Bash", {"command": command, "description": "A step of the script"})


def select(*names: str) -> Call:
    """Loads tools that the client holds back until they are asked for."""
    return Call("ToolSearch", {"query": f"select:{','.join(names)}", "max_results": 5})


def read(body: Body, name: str) -> Call:
    return Call("Read", {"file_path": f"{folder(body)}/{name}"})


def folder(body: Body) -> str:
    """The directory the client works in, as it tells the model."""
    found = re.search(r"Primary working directory: (\S+)", "\n".join(map(text_of, body["messages"])))
    return found[1] if found else "/unknown"


LONG_SERVER = "a_server_with_a_name_that_is_longer_than_it_need_be"
LONG_TOOL = "tell_the_secret_word_of_the_day_to_whoever_asks"
LONG_DESCRIPTION = "Tells the secret word of the day."


SCENARIOS: dict[str, tuple[Step, ...]] = {
    "plain": (Said("Hello world."),),
    "again": (Said("Hello again."),),
    "thinking": (Said("Forty-two.", reasoning="The person wants a number."),),
    "bash": (
        Said("I run a command.", (bash("echo forty-$((1+1))"),), reasoning="A command will tell."),
        quoted,
    ),
    "fetch": (Said(calls=(bash("curl --silent --show-error http://127.0.0.1:9/"),)), quoted),
    "parallel": (
        Said(calls=(bash("echo one"), bash("echo two"), bash("echo three"))),
        quoted,
    ),
    "edit": (
        lambda body: Said("First I read it.", (read(body, "notes.txt"),)),
        lambda body: Said(
            calls=(
                Call(
                    "Edit",
                    {
                        "file_path": f"{folder(body)}/notes.txt",
                        "old_string": "colour: red",
                        "new_string": "colour: blue",
                    },
                ),
            )
        ),
        lambda body: Said(calls=(read(body, "notes.txt"),)),
        quoted,
    ),
    "subagent": (
        Said(
            calls=(
                Call(
                    "Agent",
                    {
                        "description": "Look for a word",
                        "prompt": "Play helper.",
                        "subagent_type": "general-purpose",
                        "run_in_background": False,
                    },
                ),
            )
        ),
        quoted,
    ),
    "subagent_haiku": (
        Said(
            calls=(
                Call(
                    "Agent",
                    {
                        "description": "Look for a word",
                        "prompt": "Play helper.",
                        "subagent_type": "general-purpose",
                        "run_in_background": False,
                        "model": "haiku",
                    },
                ),
            )
        ),
        quoted,
    ),
    "helper": (Said(calls=(bash("echo pelican"),)), quoted),
    "image": (lambda body: Said(calls=(read(body, "picture.png"),)), images_and_files),
    "pdf": (lambda body: Said(calls=(read(body, "paper.pdf"),)), images_and_files),
    "mcp": (
        Said(calls=(select(f"mcp__{LONG_SERVER}__{LONG_TOOL}"),)),
        Said(calls=(Call(LONG_DESCRIPTION, {"language": "English"}),)),
        quoted,
    ),
    "mcp_at_once": (Said(calls=(Call(LONG_DESCRIPTION, {"language": "English"}),)), quoted),
    "structured": (
        Said(calls=(Call("StructuredOutput", {"city": "Rome", "degrees": 21}),)),
        Said("Done."),
    ),
    "websearch": (
        Said(calls=(select("WebSearch"),)),
        Said(calls=(Call("WebSearch", {"query": "weather in Rome"}),)),
        quoted,
    ),
    "toolsearch": (
        Said(calls=(select("NotebookEdit"),)),
        lambda body: Said(f"Offered: {offered(body, 'NotebookEdit')}. " + quoted(body).text),
    ),
    "verdict": (Said("<block>no</block><reason>It only reads.</reason>"),),
    "long": (Said("word " * 2000),),
}
