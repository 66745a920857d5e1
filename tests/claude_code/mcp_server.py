"""An MCP server on standard input and output with one tool, whose name is too long for Chat Completions."""

import json
import sys
from typing import Any

from tests.claude_code.scripted_model import LONG_DESCRIPTION, LONG_TOOL

WORD = "ornithopter"

TOOL = {
    "name": LONG_TOOL,
    "description": LONG_DESCRIPTION,
    "inputSchema": {"type": "object", "properties": {"language": {"type": "string"}}, "required": ["language"]},
}


def result(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request, by its method. Unknown ones get an empty object, which no client minds."""
    match request["method"]:
        case "initialize":
            return {
                "protocolVersion": request["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "secret", "version": "1"},
            }
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            language = request["params"]["arguments"]["language"]
            return {"content": [{"type": "text", "text": f"The word in {language} is {WORD}."}]}
    return {}


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result(request)}), flush=True)


if __name__ == "__main__":
    main()
