"""`vlingnav serve`: one policy for robots off the ROS network, a session to each connection.

What one client sends cannot stop or slow another. Nothing is unpacked before it is known to be small enough;
a request that is wrong is answered with a sentence; each client has a thread, and engines that they share
serve those who wait in order (`engines.batching`). A client has one request under way: the next is not read
from its socket before the answer is written to it, so that one that sends too fast, or does not read, fills
its own buffers and nobody's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from vlingnav_policy.remote import codec, wire
from vlingnav_policy.remote.session import REFUSALS, Session
from vlingnav_policy.types import Policy, PolicyUnavailable

log = logging.getLogger(__name__)
# A port scan, or a client that dies in the middle of a word, is not worth the tracebacks it gets here.
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class ServerConfig:
    """Where a server listens, and how much it takes from its clients.

    Attributes:
        host, port: the loopback device unless told otherwise; port 0 is any that is free.
        largest_message: in bytes; a client that sends more is cut off.
        most_clients: at once; more are sent away.
    """

    host: str = "127.0.0.1"
    port: int = 8450
    largest_message: int = 8 << 20
    most_clients: int = 32


class PolicyServer:
    """Serves policies over WebSockets, as `wire` says.

    Args:
        name: of the policy, for clients to read.
        make: a new one for each session; what they share must bear to be called from many threads.
        token: what a client must show. It travels unencrypted: beyond a network that can be trusted, put a
            proxy with TLS, or a VPN, before the server.
    """

    def __init__(
        self, name: str, make: Callable[[], Policy], token: str, config: ServerConfig = ServerConfig()
    ) -> None:
        self._name, self._make, self._config = name, make, config
        self._secret = f"Bearer {token}".encode()
        self._clients = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Serve for as long as the context lasts; yields the port.

        Leaving it finishes the decisions under way and hangs up on every client.

        Raises:
            OSError: the host or port cannot be had.
        """
        config = self._config
        with ThreadPoolExecutor(config.most_clients, "session") as self._threads:
            async with serve(
                self._serve_client,
                config.host,
                config.port,
                process_request=self._admit,
                subprotocols=[Subprotocol(wire.SUBPROTOCOL)],
                compression=None,  # images are compressed already, and nothing can blow up when unpacked
                max_size=config.largest_message,
                max_queue=1,
                logger=_quiet,
            ) as server:
                yield next(iter(server.sockets)).getsockname()[1]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Send away whoever has no token, or comes when the house is full."""
        shown = request.headers.get_all("Authorization")
        if len(shown) != 1 or not hmac.compare_digest(shown[0].encode(errors="replace"), self._secret):
            log.warning("%s: no token, or a wrong one", _name(connection))
            return connection.respond(
                401, "the token is missing or wrong; give the one that the server was started with\n"
            )
        if self._clients >= self._config.most_clients:
            return connection.respond(
                503, f"there are {self._clients} clients already, and no room for more; try again later\n"
            )
        return None

    async def _serve_client(self, connection: ServerConnection) -> None:
        self._clients += 1
        name = _name(connection)
        log.info("%s: connected", name)
        session = Session(self._name, self._make)
        try:
            with contextlib.suppress(ConnectionClosed):
                async for message in connection:
                    await connection.send(await self._answer(session, message))
        finally:
            self._clients -= 1
            log.info("%s: gone (%s)", name, connection.close_reason or connection.close_code)

    async def _answer(self, session: Session, message: str | bytes) -> bytes:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, _reply, session, self._name, message)
        except PolicyUnavailable as error:
            return codec.pack({"type": "failed", "reason": str(error)})
        except REFUSALS as error:
            return codec.pack({"type": "refused", "reason": str(error)})
        except Exception as error:
            log.exception("a policy failed")
            reason = f"the policy failed: {type(error).__name__}: {error}"
            return codec.pack({"type": "failed", "reason": reason})


def _reply(session: Session, name: str, message: str | bytes) -> bytes:
    """The answer to one request; raises as `wire.read_request` and `Session`."""
    request = wire.read_request(message)
    if isinstance(request, wire.Reset):
        session.reset(request)
        return codec.pack({"type": "ready", "policy": name})
    return wire.pack_decision(*session.act(request))


def _name(connection: ServerConnection) -> str:
    host, port = connection.remote_address[:2]
    return f"{host}:{port}"
