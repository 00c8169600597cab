"""Which serial port a board is on."""

import os

from serial.tools import list_ports

from boards.boards import BOARDS, Board
from boards.line import BoardError


def candidates(board: Board) -> list[str]:
    """Ports whose USB id is the board's; of an FTDI chip with two, the second one, the first being
    for programming."""
    if board.usb is None:
        return []
    found = sorted((port for port in list_ports.comports() if (port.vid, port.pid) == board.usb),
                   key=lambda port: (port.location or "", port.device))
    chips: dict[str, list[str]] = {}
    for port in found:
        chips.setdefault((port.location or port.device).split(":")[0], []).append(port.device)
    return [devices[-1] for devices in chips.values()]


def choose(board: Board, port: str | None) -> str:
    """``port``, or the only one that can be the board's; BoardError where that is a guess."""
    if port is not None:
        return port
    if board.usb is None:
        raise BoardError(f"{board.title} has no USB port of its own; name the adapter's with "
                         "--port")
    found = candidates(board)
    if not found:
        raise BoardError(f"no {board.title} is plugged in (no port has the USB id "
                         f"{board.usb[0]:04x}:{board.usb[1]:04x}); if it is, name its port with "
                         "--port")
    if len(found) > 1:
        raise BoardError(f"{len(found)} ports may be the board's, {', '.join(found)}; choose one "
                         "with --port")
    return found[0]


def overview() -> list[str]:
    """A line for each serial port: its board, and whether it may be opened."""
    lines = []
    for port in sorted(list_ports.comports(), key=lambda port: port.device):
        boards = [board.name for board in BOARDS.values()
                  if board.usb and (port.vid, port.pid) == board.usb]
        allowed = os.access(port.device, os.R_OK | os.W_OK)
        lines.append(f"{port.device}: {port.description}"
                     + (f", may be {' or '.join(boards)}" if boards else "")
                     + ("" if allowed else ", but may not be opened; sudo usermod -aG dialout "
                        "$USER, and log in again"))
    return lines
