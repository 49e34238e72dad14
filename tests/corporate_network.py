"""Run a corporate network: its proxy alone leads to the deployment, over TLS with an authority of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path
from types import TracebackType

from tests.certificates import make_certificate

HOST = "tc.example.com"


class CorporateNetwork:
    """A CONNECT proxy, and behind it `https://tc.example.com:PORT`, which forwards to that port of this machine.

    Without the proxy, the same is at `https://localhost:{tls_port}`. `requests` are the heads of the requests to the proxy."""

    def __init__(self, port: int, folder: Path) -> None:
        self.root_url = f"https://{HOST}:{port}"
        self.certificate, key = make_certificate(folder, HOST, "localhost")
        self.requests: list[str] = []
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> CorporateNetwork:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of a machine in this network."""
        return {
            "HTTPS_PROXY": f"http://me:hunter2@127.0.0.1:{self.proxy_port}",
            "SSL_CERT_FILE": str(self.certificate),
            "TASKCLUSTER_ROOT_URL": self.root_url,
        }

    async def _serve(self) -> None:
        self._inner = await asyncio.start_server(self._decrypt, "127.0.0.1", 0, ssl=self._context)
        self.tls_port: int = self._inner.sockets[0].getsockname()[1]
        self._proxy = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.proxy_port: int = self._proxy.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._proxy.close()
        self._inner.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        except asyncio.IncompleteReadError:
            writer.close()  # the client has given up
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _join(reader, writer, *await asyncio.open_connection(*self._inner.sockets[0].getsockname()))

    async def _decrypt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, *await asyncio.open_connection("localhost", self._port))


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    other_reader: asyncio.StreamReader,
    other_writer: asyncio.StreamWriter,
) -> None:
    await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer), return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
