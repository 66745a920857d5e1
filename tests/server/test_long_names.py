"""Names of tools and ids of calls that are too long for the backend, there and back."""

import pytest

from tests.servers import Reply
from tests.talking import BOTH, Body, assistant, call, result, said, talking, tool, user

LONG = ["mcp__a_server_with_a_name__" + "x" * 50 + ending for ending in ("_one", "_two", "_number.three")]
LONG_ID = "toolu_" + "y" * 80


@BOTH
@pytest.mark.parametrize(("dialect", "id_limit"), [("plain", 64), ("openai", 40)])
async def test_long_names_and_ids_are_shortened_alike_everywhere(dialect: str, id_limit: int, stream: bool) -> None:
    def calling(body: Body) -> Reply:
        return said(body, call(body["tools"][1]["function"]["name"], "{}", "z" * 90), finish_reason="tool_calls")

    used = {"type": "tool_use", "id": LONG_ID, "name": LONG[0], "input": {}}
    history = [user("Go."), assistant(used), user(result(LONG_ID))]
    choice = {"type": "tool", "name": LONG[0]}
    async with talking(calling, BACKEND=dialect, MODEL="gpt-4o") as talk:
        message = await talk.ask(stream, tools=[tool(name) for name in LONG], tool_choice=choice, messages=history)
    assert message["content"][0]["name"] == LONG[1]
    (body,) = talk.asked
    names = [entry["function"]["name"] for entry in body["tools"]]
    assert len(set(names)) == 3
    assert max(map(len, names)) <= 64
    assert all(name.replace("_", "").replace("-", "").isalnum() for name in names)
    (earlier,) = body["messages"][1]["tool_calls"]
    assert earlier["function"]["name"] == body["tool_choice"]["function"]["name"] == names[0]
    assert earlier["id"] == body["messages"][2]["tool_call_id"]
    assert len(earlier["id"]) <= id_limit
