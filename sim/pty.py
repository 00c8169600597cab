"""A simulated board behind a pseudo-terminal."""

import os
import select
import tty

from sim.board import SimulatedBoard

SLICE = 50_000                 # cycles between two looks at the terminal


class Terminal:
    """A pseudo-terminal whose other end, ``path``, a program opens as it would a serial port."""

    def __init__(self, board: SimulatedBoard):
        self.board = board
        self._end, self._other = os.openpty()
        tty.setraw(self._other)
        self.path = os.ttyname(self._other)
        os.set_blocking(self._end, False)

    def serve(self, stop=lambda: False) -> None:
        """Simulates while there is something to do, and waits for bytes while there is not, until
        ``stop``. Time stands still for a board that waits."""
        waiting = back = b""
        while not stop():
            quiet = bool(self.board.machine["quiet"]) and not waiting and not back
            readable, _, _ = select.select([self._end], [], [], 0.1 if quiet else 0)
            if readable and len(waiting) < SLICE:
                waiting += os.read(self._end, 1 << 16)
            waiting = waiting[self.board.send(waiting):]
            self.board.run(SLICE)
            back += self.board.receive()
            if back:
                try:
                    back = back[os.write(self._end, back):]
                except BlockingIOError:
                    pass

    def close(self) -> None:
        """Lets go of the terminal."""
        os.close(self._end)
        os.close(self._other)
