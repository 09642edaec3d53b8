"""The WebSocket endpoint of `vlingnav serve`, in a thread beside an executor."""

from __future__ import annotations

import asyncio
import os
import threading

from vlingnav.node import Fault
from vlingnav_policy.remote.commands import TOKEN_VARIABLE
from vlingnav_policy.remote.server import PolicyServer


def token_of_environment() -> str:
    """The token that clients must show.

    Raises:
        Fault: there is none, or it cannot be sent in a header.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token or not token.isascii() or not token.isprintable():
        raise Fault(f"{TOKEN_VARIABLE} holds no token of printable ASCII; set one for clients to show")
    return token


class Endpoint:
    """A server that listens for as long as nobody closes it.

    Args:
        server: what is served.
        where: its address, for sentences.

    Raises:
        Fault: the address cannot be had.
    """

    def __init__(self, server: PolicyServer, where: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._listening = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, args=(server,), name="endpoint", daemon=True)
        self._thread.start()
        self._listening.wait()
        if self._error is not None:
            self._thread.join()
            reason = self._error.strerror or self._error
            raise Fault(f"cannot listen at {where}: {reason}; choose another websocket_port")

    def close(self) -> None:
        """Finish the decisions under way and hang up on every client."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, server: PolicyServer) -> None:
        try:
            self._loop.run_until_complete(self._serve(server))
        except OSError as error:
            self._error = error
        finally:
            self._loop.close()
            self._listening.set()

    async def _serve(self, server: PolicyServer) -> None:
        async with server.listening():
            self._listening.set()
            await self._stop.wait()
