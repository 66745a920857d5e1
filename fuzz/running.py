"""What the targets share: the start, the seeds, and a mutator that knows JSON."""

import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import atheris

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"
CORPUS = Path(__file__).parent / "corpus"

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e300,
    10**20,
    "",
    " ",
    "x",
    "\ud83d",
    "\x00",
    [],
    {},
    [None],
    [{}],
    {"type": "x"},
)
"""Values that stand where others are expected."""


def fuzz(name: str, target: Callable[[bytes], None], mutator: Callable[[bytes, int, int], bytes]) -> None:
    """Runs `target` on one input after another until it raises, or as long as the options say.

    It begins with the kept corpus and the seeds. What it finds interesting goes into the first directory
    among the arguments, or is forgotten.
    """
    options = [option for option in sys.argv[1:] if option.startswith("-")]
    places = [place for place in sys.argv[1:] if not place.startswith("-")]
    with tempfile.TemporaryDirectory() as seeds, tempfile.TemporaryDirectory() as scratch:
        for number, seed in enumerate(SEEDS[name]()):
            (Path(seeds) / f"seed-{number}").write_bytes(seed)
        if not any(map(os.path.isfile, places)):
            kept = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
            places = [*(places or [scratch]), *kept, seeds]
        atheris.Setup([f"{sys.executable} -m fuzz.{name}", *options, *places], target, custom_mutator=mutator)
        atheris.Fuzz()


def requests() -> Iterable[bytes]:
    for file in sorted(GOLDEN.glob("requests/*/anthropic.json")):
        yield b"\0" + file.read_bytes()


def streams() -> Iterable[bytes]:
    for file in sorted(GOLDEN.glob("replies/*/upstream.sse")):
        yield b"\0\0" + file.read_bytes()


def replies() -> Iterable[bytes]:
    yield from streams()
    for file in sorted(GOLDEN.glob("replies/*/upstream.json")):
        yield b"\0\1" + file.read_bytes()


SEEDS: dict[str, Callable[[], Iterable[bytes]]] = {
    "sse_decoder": streams,
    "chat_request": requests,
    "chat_reply": replies,
}
"""Inputs to begin with, by target."""


def mutated_bytes(data: bytes, largest: int, seed: int) -> bytes:
    """As libFuzzer does it."""
    mutated: bytes = atheris.Mutate(data, largest)
    return mutated


def mutated_json(data: bytes, largest: int, seed: int) -> bytes:
    """The first byte, and JSON of which one value is another. What is no JSON stays at the mercy of bytes."""
    chance = random.Random(seed)
    if chance.random() < 0.2:
        return mutated_bytes(data, largest, seed)
    try:
        value = json.loads(data[1:])
    except ValueError:
        return mutated_bytes(data, largest, seed)
    first = bytes([chance.randrange(256)]) if chance.random() < 0.2 else data[:1]
    return (
        first + json.dumps(changed(value, chance), ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    )[:largest]


def mutated_stream(data: bytes, largest: int, seed: int) -> bytes:
    """Two bytes, and a stream of which one event is another, is missing, comes twice or elsewhere."""
    chance = random.Random(seed)
    events = data[2:].split(b"\n\n")
    if chance.random() < 0.2 or not events:
        return mutated_bytes(data, largest, seed)
    place = chance.randrange(len(events))
    event = events[place]
    match chance.randrange(6):
        case 0:
            del events[place]
        case 1:
            events.insert(chance.randrange(len(events)), event)
        case 2:
            events[place], other = events[chance.randrange(len(events))], event
            events.append(other)
        case _:
            events[place] = _changed_event(event, chance)
    first = bytes(chance.randrange(256) for _ in range(2)) if chance.random() < 0.2 else data[:2]
    return (first + b"\n\n".join(events))[:largest]


def _changed_event(event: bytes, chance: random.Random) -> bytes:
    begin = event.find(b"{")
    try:
        value = json.loads(event[begin:])
    except ValueError:
        return mutated_bytes(event, len(event) + 20, 0)
    return event[:begin] + json.dumps(changed(value, chance)).encode()


def changed(value: Any, chance: random.Random) -> Any:
    """`value` with one part replaced, removed, doubled or moved."""
    holders = [part for part in _parts(value) if isinstance(part, dict | list) and part]
    if not holders:
        return chance.choice(ODD)
    holder = chance.choice(holders)
    key: Any = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
    match chance.randrange(6):
        case 0:
            del holder[key]
        case 1:
            holder[key] = json.loads(json.dumps(chance.choice(list(_parts(value)))))
        case 2 if isinstance(holder, list):
            holder.insert(chance.randrange(len(holder) + 1), json.loads(json.dumps(holder[key])))
        case 3 if isinstance(holder[key], str):
            text = holder[key]
            cut = chance.randrange(len(text) + 1)
            holder[key] = chance.choice(
                (text[:cut], text * 2, text[cut:] + text[:cut], text[:cut] + chance.choice('<{\\"é\n') + text[cut:])
            )
        case 4:
            holder[key] = [holder[key]] if chance.random() < 0.5 else {"type": holder[key]}
        case _:
            holder[key] = chance.choice(ODD)
    return value


def _parts(value: Any) -> Iterable[Any]:
    """`value` and all that is inside it."""
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(part)
