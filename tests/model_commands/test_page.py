"""The examples of docs/models.md are right, and print what the page says."""

import re
from pathlib import Path

from anthropic_proxy.config import Settings
from anthropic_proxy.model_commands.table import described
from anthropic_proxy.model_map import Read, read

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
SETTINGS = Settings.from_env({"OPENAI_API_BASE": "http://127.0.0.1:4000/v1"})


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def yaml_example() -> Read:
    return read(example("yaml"), "models.yaml", {"OPENROUTER_API_KEY": "sk-1"})


def test_the_examples_can_be_read() -> None:
    assert len(yaml_example().models.rules) == 5
    (rule,) = read(example("toml"), "models.toml", {}).models.rules
    assert rule.model == "qwen3:8b"


def test_the_console_shows_what_is_printed() -> None:
    found = yaml_example()
    shown = example("console").splitlines()
    name = shown[0].removeprefix("$ anthropic-proxy models ")
    assert list(described(name, SETTINGS, found.models, found)) == shown[1:]


def test_the_mistake_is_told_as_the_page_says() -> None:
    wrong = example("yaml").replace("fallbacks:", "fallbaks:")
    told = PAGE.split("$ anthropic-proxy check-config models.yaml\nanthropic-proxy: ")[1].splitlines()[0]
    try:
        read(wrong, "models.yaml", {"OPENROUTER_API_KEY": "sk-1"})
    except ValueError as error:
        said = str(error)
    assert re.sub(r"line \d+", "line N", said) == re.sub(r"line \d+", "line N", told)
