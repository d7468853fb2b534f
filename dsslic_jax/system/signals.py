"""Signals that ask a program to stop once what it has at work is done."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def handled(handlers: Mapping[int, Handler]) -> Iterator[None]:
    """Installs handlers and puts back what was there; elsewhere than in the main thread, which signals reach, none."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_when_interrupted() -> None:
    """Ctrl-C ends the process at once, without a traceback, until `interrupt_again`; unless it is switched off."""

    def leave(number: int, frame: FrameType | None) -> None:
        os._exit(128 + number)  # as shells say it

    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)


def interrupt_again() -> None:
    """Ctrl-C raises KeyboardInterrupt, as Python begins; unless it is switched off. Nothing in another thread."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def unwound() -> Iterator[None]:
    """Where SIGTERM or SIGHUP would end the process at once, they raise SystemExit in the main thread instead."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)  # as shells say it

    deadly = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    heard = [number for number in deadly if signal.getsignal(number) == signal.SIG_DFL]
    with handled(dict.fromkeys(heard, leave)):
        yield


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, the second time with KeyboardInterrupt, in the main thread.

    An interrupt at any place would be one inside the locks of threads and queues, too. A signal that the caller of the
    program has switched off stays so.
    """
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    heard = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) not in (signal.SIG_IGN, None)
    ]
    with handled(dict.fromkeys(heard, stop)):
        yield stopping
