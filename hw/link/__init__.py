"""The board's end of the serial link: docs/protocol.md in gateware."""
