"""The serial link of docs/protocol.md: the board's end in gateware, and codec.py for the host."""
