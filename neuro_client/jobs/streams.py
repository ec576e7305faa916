"""The streams of a process of a job: input, output, the size of its terminal, its end."""

from __future__ import annotations

from ..errors import StdStreamError, TransportError
from ..streaming.channels import Channel, Message, decode_exit, encode_size, encode_stdin
from ..transport import WebSocket


class StdStream:
    """Speak to a process; obtained from ``jobs.attach`` or ``jobs.exec`` (jobs.md §8.3).

    Reading waits for the process and the process for who reads: nothing piles up here.
    """

    def __init__(self, ws: WebSocket) -> None:
        self._socket = ws
        self._over = False

    async def read_out(self) -> Message | None:
        """Return what the process wrote next, None once the stream is over.

        The first message of an attached output is empty: the stream is up.

        Raises:
            StdStreamError: the process has ended; its ``exit_code`` may be 0.
            TransportError: the connection broke; the process goes on.
            RuntimeError: something other than the service answered, with text.
        """
        if self._over:
            return None
        frame = await self._socket.receive()
        if frame is None:
            self._over = True
            return None
        if not isinstance(frame, bytes):
            raise RuntimeError("A text message came from the job; its frames are binary")
        if frame[:1] == bytes((Channel.EXIT,)):
            self._over = True
            raise StdStreamError(decode_exit(frame[1:]))
        return Message(frame[0] if frame else Channel.STDOUT, frame[1:])

    async def write_in(self, data: bytes) -> None:
        """Send input; once the process has ended it goes nowhere."""
        await self._send(encode_stdin(data))

    async def close_in(self) -> None:
        """Tell the process that no more input comes.

        The wire has no sign for that: an empty frame ends the input on the local platform and does
        nothing elsewhere.
        """
        await self._send(encode_stdin(b""))

    async def resize(self, h: int, w: int) -> None:
        """Tell the terminal's height and width in characters."""
        await self._send(encode_size(h, w))

    async def close(self) -> None:
        """End the session; a process that was executed in it is ended too."""
        self._over = True
        await self._socket.close()

    async def _send(self, frame: bytes) -> None:
        if self._over:
            return
        try:
            await self._socket.send_bytes(frame)
        except TransportError:
            # The reader is told how the stream ended, and it may have been in order.
            self._over = self._socket.close_code is not None
            if not self._over:
                raise
