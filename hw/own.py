"""A register of one's own."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class OwnRegister(wiring.Component):
    """Takes ``i`` with ``en``. Others may hold the same, as copies that lie where they are needed.

    Platform override: ``platform.get_own_register(component)``, where the tools would make one of
    all registers that hold the same.
    """

    def __init__(self, width):
        self.width = width
        super().__init__({"en": In(1), "i": In(width), "o": Out(width)})

    def elaborate(self, platform):
        if hasattr(platform, "get_own_register"):
            return platform.get_own_register(self)
        m = Module()
        register = Signal(self.width, reset_less=True)
        m.d.comb += self.o.eq(register)
        with m.If(self.en):
            m.d.sync += register.eq(self.i)
        return m
