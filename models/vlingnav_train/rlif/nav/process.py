"""`vlingnav train rlif` as the node `learner` runs it: the same arguments, and nothing a robot would notice.

    python -m vlingnav_train.rlif.nav.process DATASET --versions FOLDER

It has the lowest priority and one thread. Each line that it prints is a JSON object: how far it is, and in
the end what came of it, or why nothing could. It lives as long as its standard input is open: whoever started
it and is killed leaves no training behind. Told to end it ends at once, with no version half written.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from typing import Any

from vlingnav_cli import UserError
from vlingnav_train.rlif.commands import add_train_rlif, learn

LOWEST = 19


def main() -> int:
    """Learn once; 0 if it could, with or without a new version, else 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is half written is removed on the way
    os.nice(LOWEST)
    os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported
    os.environ["TQDM_DISABLE"] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    parser = argparse.ArgumentParser()
    add_train_rlif(parser)
    try:
        learned = learn(parser.parse_args(), _report)
    except UserError as error:
        _say(problem=str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    _say(why=learned.why)
    return 0


def _report(stage: str, share: float, error: float | None) -> None:
    _say(stage=stage, share=share, error=error)


def _say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not by way of `sys.stdin`, whose lock would be held at the end
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
