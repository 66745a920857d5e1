"""A proxy that speaks HTTPS is known to be ready, too."""

import asyncio
import ssl
from pathlib import Path

from anthropic_proxy.up.child import answers
from tests.certificates import CERTIFICATE, KEY


async def test_a_server_that_speaks_https_answers_where_it_is_said_to(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text(CERTIFICATE)
    (tmp_path / "key.pem").write_text(KEY)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        assert await answers("127.0.0.1", port, "/health", tls=True)
        assert not await answers("127.0.0.1", port, "/health")
