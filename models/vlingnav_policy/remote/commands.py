"""`vlingnav serve`."""

from __future__ import annotations

import argparse

from vlingnav_cli.arguments import count
from vlingnav_policy.commands import ENGINES

TOKEN_VARIABLE = "VLINGNAV_TOKEN"


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Serve a policy to robots elsewhere, until Ctrl-C."""
    parser.add_argument(
        "--policy", default="nano", help="name, folder or address of a policy (default: %(default)s)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen at; 0.0.0.0 lets in other machines, unencrypted (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=port, default=8450, help="0 is any that is free (default: %(default)s)"
    )
    parser.add_argument(
        "--engine", choices=ENGINES, default="cpu", help="what it runs on (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=count, default=2, help="cores one decision may take (default: %(default)s)"
    )
    parser.set_defaults(run=run_serve)


def port(text: str) -> int:
    """A TCP port, or 0."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; they are 0 to 65535")
    return int(text)


def run_serve(args: argparse.Namespace) -> None:
    """Listen until Ctrl-C or SIGTERM; clients show the token of VLINGNAV_TOKEN, or one made up here."""
    import asyncio
    import logging
    import os
    import secrets
    import signal

    from vlingnav_cli import UserError
    from vlingnav_policy import ManifestError
    from vlingnav_policy.load import load_shared
    from vlingnav_policy.remote.address import without_token
    from vlingnav_policy.remote.server import PolicyServer, ServerConfig

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make = load_shared(args.policy, args.threads, args.engine, progress=logging.info)
    except ManifestError as error:
        raise UserError(str(error)) from error

    given = os.environ.get(TOKEN_VARIABLE, "")
    if not given.isascii() or not given.isprintable():
        raise UserError(f"{TOKEN_VARIABLE} has characters other than printable ASCII; choose another token")
    token = given or secrets.token_urlsafe(16)
    name = without_token(args.policy)
    server = PolicyServer(name, make, token, ServerConfig(args.host, args.port))

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with server.listening() as chosen:
            shown = "TOKEN" if given else token
            print(
                f"serving {name} at vlingnav://{shown}@{args.host}:{chosen}, until Ctrl-C"
                + ("" if given else f" (set {TOKEN_VARIABLE} for a token that stays)"),
                flush=True,
            )
            await stop.wait()
        print("stopped")

    try:
        asyncio.run(serve())
    except OSError as error:
        raise UserError(f"cannot listen at {args.host}:{args.port}: {error.strerror or error}") from error
