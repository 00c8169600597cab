"""LLVM IR text, one instruction at a time: integers of any width, as the netlist has them."""

from typing import NamedTuple


class Word(NamedTuple):
    """An LLVM integer: a constant or the name of a result, and its width, which is never 0."""
    name: str
    width: int

    def __str__(self) -> str:
        return f"i{self.width} {self.name}"


def constant(value: int, width: int) -> Word:
    return Word(str(value & ((1 << width) - 1)), width)


class Block:
    """The text of a function's body. Operands have equal widths unless said otherwise."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.functions: dict[str, str] = {}      # called ones: their declarations or definitions
        self.results = 0

    def name(self) -> str:
        self.results += 1
        return f"%x{self.results}"

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def jump(self, label: str) -> None:
        self.lines.append(f"  br label %{label}")

    def branch(self, condition: Word, then: str, otherwise: str) -> None:
        self.lines.append(f"  br {condition}, label %{then}, label %{otherwise}")

    def emit(self, width: int, instruction: str) -> Word:
        name = self.name()
        self.lines.append(f"  {name} = {instruction}")
        return Word(name, width)

    def op(self, instruction: str, a: Word, b: Word) -> Word:
        return self.emit(a.width, f"{instruction} {a}, {b.name}")

    def compare(self, condition: str, a: Word, b: Word) -> Word:
        return self.emit(1, f"icmp {condition} {a}, {b.name}")

    def select(self, condition: Word, then: Word, otherwise: Word) -> Word:
        return self.emit(then.width, f"select {condition}, {then}, {otherwise}")

    def inverse(self, a: Word) -> Word:
        return self.op("xor", a, constant(-1, a.width))

    def zext(self, a: Word, width: int) -> Word:
        return a if a.width == width else self.emit(width, f"zext {a} to i{width}")

    def sext(self, a: Word, width: int) -> Word:
        return a if a.width == width else self.emit(width, f"sext {a} to i{width}")

    def trunc(self, a: Word, width: int) -> Word:
        return a if a.width == width else self.emit(width, f"trunc {a} to i{width}")

    def bits(self, a: Word, start: int, width: int) -> Word:
        if start:
            a = self.op("lshr", a, constant(start, a.width))
        return self.trunc(a, width)

    def call(self, name: str, definition: str, *operands: Word) -> Word:
        """Call a function whose operands and result are of one width."""
        self.functions[name] = definition
        width = operands[0].width
        return self.emit(width, f"call i{width} @{name}({', '.join(map(str, operands))})")

    def population_count(self, a: Word) -> Word:
        name = f"llvm.ctpop.i{a.width}"
        return self.call(name, f"declare i{a.width} @{name}(i{a.width})", a)

    def pointer(self, base: str, offset: int | Word) -> str:
        name = self.name()
        step = offset if isinstance(offset, Word) else f"i64 {offset}"
        self.lines.append(f"  {name} = getelementptr i8, ptr {base}, {step}")
        return name

    def load(self, pointer: str, width: int, used: int | None = None) -> Word:
        """Load ``width`` bits, of which all but the lowest ``used`` are known to be zero."""
        known = "" if used in (None, width) else f", !range !{{i{width} 0, i{width} {1 << used}}}"
        return self.emit(width, f"load i{width}, ptr {pointer}{known}")

    def store(self, pointer: str, word: Word) -> None:
        self.lines.append(f"  store {word}, ptr {pointer}")
