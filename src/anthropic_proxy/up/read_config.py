"""Prints LiteLLM's configuration as JSON: `{"config": …}`, or `{"error": …}` with one line that says what is wrong.

    python read_config.py FILE

It is run as a script by LiteLLM's interpreter, for it has the YAML parser; so it needs nothing else but Python 3.10.
"""

import json
import os
import sys

sys.path.pop(0)  # The folder of a script, whose modules are not for others.

import yaml  # type: ignore[import-untyped, import-not-found, unused-ignore]


class Wrong(Exception):
    """The file is not what LiteLLM reads."""


def read(path: str, trail: tuple[str, ...] = ()) -> "dict[str, object]":
    """The file with those that its `include` names: lists are joined, everything else is replaced.

    So LiteLLM does it (proxy/common_utils/config_includes.py, 1.105.2). Raises Wrong.
    """
    if path in trail:
        raise Wrong(f"{path}: includes itself")
    config = _parsed(path)
    included = config.pop("include", [])
    if not isinstance(included, list):
        raise Wrong(f"{path}: include: must be a list of files")
    for name in included:
        beside = os.path.join(os.path.dirname(path), str(name))
        for key, value in read(beside, (*trail, path)).items():
            ours = config.get(key)
            config[key] = [*ours, *value] if isinstance(ours, list) and isinstance(value, list) else value
    return config


def _parsed(path: str) -> "dict[str, object]":
    try:
        with open(path, encoding="utf-8") as file:
            config = yaml.safe_load(file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise Wrong(f"{path}: {place}{error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Wrong(f"{path}: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise Wrong(f"{path}: cannot be read: {error.strerror}") from None
    if not isinstance(config, dict):
        raise Wrong(f"{path}: must begin with `model_list:`")
    return config


def main() -> None:
    try:
        answer = {"config": read(sys.argv[1])}
    except Wrong as wrong:
        print(json.dumps({"error": str(wrong)}))
    else:
        print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main()
