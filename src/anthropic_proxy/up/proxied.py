"""The proxy as a child of `up`: its settings are in the environment, its sockets are inherited."""

import os
import socket
import sys

from anthropic_proxy.config import Settings
from anthropic_proxy.server import process
from anthropic_proxy.server.app import create_app, http_upstream
from anthropic_proxy.settings_file import complete, settings_file

WRONG_SETTING = 2


def main() -> None:
    """Serves on the file descriptors that the arguments name."""
    sockets = [socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:]]
    try:
        settings = Settings.from_env(complete(os.environ))
        upstream = http_upstream(settings)
        process.check(settings)
        app = create_app(settings, upstream, file=settings_file(os.environ))
    except ValueError as error:
        # Certificates or an HTTP proxy that cannot be used.
        print(error, file=sys.stderr)
        sys.exit(WRONG_SETTING)
    process.run(settings, app, sockets, [])
