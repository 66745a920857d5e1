"""Assistant turns: text, calls and earlier reasoning as assistant messages."""

from collections.abc import Callable
from functools import cached_property

from anthropic_proxy.errors import UnsupportedBlock
from anthropic_proxy.translate.chat import parts as part
from anthropic_proxy.translate.chat.blocks import ASSISTANT_REFUSED, is_server_result
from anthropic_proxy.translate.chat.conversion import Call, Conversion, Part, text
from anthropic_proxy.translate.chat.server_results import rendered_server_result
from anthropic_proxy.translate.chat.thinking import NOTHING_BACK, reasoning_back
from anthropic_proxy.translate.chat.tool_results import tool_message
from anthropic_proxy.translate.chat.turns import Placed
from anthropic_proxy.wire.anthropic import Block
from anthropic_proxy.wire.chat import ChatMessage
from anthropic_proxy.wire.json import InvalidJson, dumps, loads


class AssistantTurn:
    """The messages of one assistant turn, which tools run by another server split into several.

    Feed it with `add`, end with `close`.
    """

    def __init__(self, blocks: list[Placed], conversion: Conversion, messages: list[ChatMessage]) -> None:
        """`messages` is where they go."""
        self.calls: list[Call] = []
        """The calls that the next turn has to answer, in order."""
        self._messages = messages
        self._blocks = blocks
        self._conversion = conversion
        self._texts: list[str] = []
        self._cited = False
        self._thinking: list[Block] = []

    @cached_property
    def _results(self) -> dict[str, Block]:
        """What tools gave that another server ran, by the ids of their calls."""
        return {each.block["tool_use_id"]: each.block for each in self._blocks if is_server_result(each.block)}

    def add(self, placed: Placed) -> None:
        """Takes in a block. Raises UnsupportedBlock."""
        kind = placed.block["type"]
        tell = ASSISTANT_BLOCKS.get(kind)
        if tell is not None:
            tell(self, placed)
        elif kind in ASSISTANT_REFUSED:
            raise UnsupportedBlock(f"{placed.path}: {ASSISTANT_REFUSED[kind]}")
        else:
            assert is_server_result(placed.block)  # It is told with its call.

    def close(self, cleared: bool) -> None:
        """Makes the last message. `cleared`: the client's context management takes this turn's thinking away."""
        if self._texts or self.calls:
            self._append(self.calls, [] if cleared else self._thinking)

    def say(self, placed: Placed) -> None:
        """A text. Texts with citations are pieces of one, and are joined as they are."""
        self._texts.append(placed.block["text"])
        self._cited = self._cited or bool(placed.block.get("citations"))

    def document(self, placed: Placed) -> None:
        """Older API versions allowed documents here; only their text can be said by an assistant."""
        made = part.document_parts(placed.block, placed.path, self._conversion, image=_no_image)
        self._texts += [item["text"] for item in made]

    def call(self, placed: Placed) -> None:
        """A call, whose result the next turn holds."""
        self.calls.append(self._conversion.new_call(placed.block))

    def server_call(self, placed: Placed) -> None:
        """A call that another server ran: told as a call and its result, the only shape models know.

        The turn's reasoning goes with what the model itself said, at the end.
        """
        call = self._conversion.new_call(placed.block)
        result = rendered_server_result(self._results[call.call_id])
        self._append([call], [])
        self._messages.append(tool_message(call, [result], self._conversion.dialect))
        self._texts, self._cited = [], False

    def think(self, placed: Placed) -> None:
        """Earlier reasoning, for backends that want it back."""
        self._thinking.append(placed.block)

    def _append(self, calls: list[Call], thinking: list[Block]) -> None:
        """Appends a message of the texts so far and these calls, with its reasoning.

        Its content is never a list of texts: Ollama takes lists apart, and Claude on Copilot and DeepSeek on
        NVIDIA repeat them.
        """
        dialect, model = self._conversion.dialect, self._conversion.model
        said = ("" if self._cited else "\n\n").join(self._texts)
        nothing = None if dialect.null_content else dialect.empty_content
        reasoning = NOTHING_BACK
        if dialect.reasoning_back_field != "none":
            reasoning = reasoning_back(thinking, dialect, model, [call.call_id for call in calls])
        message: ChatMessage = {"role": "assistant", "content": said or nothing}
        if reasoning.parts:
            message["content"] = [*reasoning.parts, *([text(said)] if said else [])]
        if calls:
            message["tool_calls"] = [
                {
                    "id": call.sent_id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": arguments(call.input)},
                    **reasoning.calls.get(call.call_id, {}),
                }
                for call in calls
            ]
        message |= reasoning.message
        self._messages.append(message)


def _no_image(block: Block, path: str, conversion: Conversion) -> list[Part]:
    conversion.dropped.append(f"{path}.image: an assistant message holds text only")
    return []


ASSISTANT_BLOCKS: dict[str, Callable[[AssistantTurn, Placed], None]] = {
    "text": AssistantTurn.say,
    "document": AssistantTurn.document,
    "tool_use": AssistantTurn.call,
    "server_tool_use": AssistantTurn.server_call,
    "mcp_tool_use": AssistantTurn.server_call,
    "thinking": AssistantTurn.think,
    "redacted_thinking": AssistantTurn.think,
}
"""Assistant blocks that are told to the model. Results of server tools are told with their call."""


def arguments(value: object) -> str:
    """A call's input as JSON text. Claude Code sends a string where the model had encoded it twice."""
    if isinstance(value, str):
        try:
            decoded = loads(value.encode(errors="replace"))
        except InvalidJson:
            decoded = None
        value = decoded if isinstance(decoded, dict) else {"input": value}
    return dumps(value if isinstance(value, dict) else {}).decode()
