"""One WebSocket to a server that may be slow, go away and come back.

A caller is never kept longer than its deadline, name look-up and a network that swallows packets included:
all of it runs in an event loop of its own thread, where anything can be given up. At most one request is
under way. The answer to one that was given up is waited for, and thrown away, before the next goes out, so
that a slow server finds no queue and no answer is taken for another's; a hiccup costs decisions, not the
server's memory of the episode. After a few deadlines without a word the connection is dropped, and calls
that come too soon after a failure fail at once instead of asking again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
import weakref
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State
from websockets.typing import Subprotocol

from vlingnav_policy.remote.address import Address
from vlingnav_policy.types import PolicyUnavailable

T = TypeVar("T")

PATIENCE = 5
"""So many deadlines may pass without an answer before the connection is dropped."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0
"""Between attempts to connect; it doubles with each. A node that waits 2 s for a lost input sees several."""
LARGEST_ANSWER = 4 << 20  # bytes


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """The loop of this process's links."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="remote policies", daemon=True).start()
    return loop


def within(deadline: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is given up at `deadline` on the monotonic clock [s].

    Raises:
        TimeoutError: it was given up.
    """

    async def limited() -> T:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await work

    return asyncio.run_coroutine_threadsafe(limited(), _loop()).result()


class Link:
    """A connection that is there when it is needed.

    Args:
        address: of the server.
        headers: of the request that opens the connection.
        subprotocol: what the server must speak.
        greeted: the server's first message comes unasked; nobody needs it.

    Attributes:
        session: counts connections; a server has forgotten all that was said in an earlier one.
    """

    def __init__(
        self,
        address: Address,
        headers: Mapping[str, str] = {},
        subprotocol: str | None = None,
        greeted: bool = False,
    ) -> None:
        self.address, self.session = address, 0
        self._headers, self._greeted = headers, greeted
        self._subprotocols = [Subprotocol(subprotocol)] if subprotocol else None
        self._socket: ClientConnection | None = None
        self._owed = 0  # messages that the server still has to send
        self._asked = 0.0  # when it came to owe the oldest of them
        self._failures, self._retry_at, self._trouble = 0, 0.0, ""
        self._deadline = 0.0

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """All that is said within has one deadline together; a connection is opened if there is none.

        Raises:
            PolicyUnavailable: there is none to be had, it broke, or it took too long.
        """
        self._deadline = time.monotonic() + self.address.timeout_s
        try:
            self._open()
            yield
        except (OSError, WebSocketException) as error:  # a TimeoutError is an OSError
            raise PolicyUnavailable(self._note(error)) from error
        self._failures = 0

    def ask(self, message: str | bytes) -> str | bytes:
        """The server's answer to `message`; only within a `turn`."""
        return within(self._deadline, self._ask(message))

    def close(self) -> None:
        """Hang up; a later turn calls again."""
        if self._socket is not None:
            self._hang_up()
            self._socket = None

    def _open(self) -> None:
        if self._socket is not None and self._socket.state is not State.OPEN:
            self.close()
        if self._socket is not None:
            return
        wait = self._retry_at - time.monotonic()
        if wait > 0.0:
            raise PolicyUnavailable(f"{self._trouble}; it is called again in {wait:.1f} s")
        self._socket = socket = within(self._deadline, self._connect())
        # Also when nobody closes the link: the loop would keep the connection for ever.
        self._hang_up = weakref.finalize(self, _hang_up, socket)
        self._hang_up.atexit = False  # then the operating system does it
        self.session += 1
        self._owed, self._asked = int(self._greeted), time.monotonic()

    async def _connect(self) -> ClientConnection:
        return await connect(
            self.address.url("ws"),
            subprotocols=self._subprotocols,
            additional_headers=self._headers,
            compression=None,  # images are compressed already
            proxy=None,  # the address says who is called
            open_timeout=None,  # `within` is what ends it
            max_size=LARGEST_ANSWER,
        )

    async def _ask(self, message: str | bytes) -> str | bytes:
        assert self._socket is not None
        while self._owed:
            await self._socket.recv()
            self._owed -= 1
        self._asked, self._owed = time.monotonic(), 1
        await self._socket.send(message)
        answer = await self._socket.recv()
        self._owed = 0
        return answer

    def _note(self, error: Exception) -> str:
        """What `error` means, in a sentence, and for the next turn."""
        now, limit = time.monotonic(), self.address.timeout_s
        self._trouble = f"{self.address} {_meaning(error, limit)}"
        if (
            isinstance(error, TimeoutError)
            and self._socket is not None
            and now - self._asked < PATIENCE * limit
        ):
            return self._trouble
        self.close()
        self._retry_at = now + min(FIRST_WAIT_S * 2.0 ** min(self._failures, 10), LONGEST_WAIT_S)
        self._failures += 1
        return self._trouble


def _hang_up(socket: ClientConnection) -> None:
    asyncio.run_coroutine_threadsafe(socket.close(), _loop())


def _meaning(error: Exception, timeout_s: float) -> str:
    """The predicate of a sentence about a server."""
    if isinstance(error, TimeoutError):
        return f"gave no answer within {timeout_s:g} s; a slow one needs a larger ?timeout_s="
    if isinstance(error, InvalidStatus):
        said = (error.response.body or b"")[:200].decode(errors="replace").strip()
        return f"refuses the connection with HTTP {error.response.status_code}: {said}"
    if isinstance(error, ConnectionClosed):
        reason = error.rcvd.reason if error.rcvd is not None else ""
        return f"closed the connection: {reason or 'it gave no reason'}"
    if isinstance(error, OSError):
        return f"cannot be reached: {error.strerror or error}"
    return f"does not speak the protocol: {error}"
