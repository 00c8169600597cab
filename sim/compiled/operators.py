"""The arithmetic: what each operator of the netlist is in LLVM's instructions.

LLVM leaves shifts by the width or more, division by zero and overflow of a division undefined;
Amaranth defines them all, so each is guarded here.
"""

from .block import Block, Word, constant

SAME_WIDTH = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor"}
COMPARISONS = {"==": "eq", "!=": "ne", "u<": "ult", "u>": "ugt", "u<=": "ule", "u>=": "uge",
               "s<": "slt", "s>": "sgt", "s<=": "sle", "s>=": "sge"}


def operate(block: Block, operator: str, *operands: Word) -> Word:
    """The result of ``operator``, named as in ``amaranth.hdl._nir.Operator``."""
    match operator, *operands:
        case "~", a:
            return block.inverse(a)
        case "-", a:
            return block.op("sub", constant(0, a.width), a)
        case ("b" | "r|"), a:
            return block.compare("ne", a, constant(0, a.width))
        case "r&", a:
            return block.compare("eq", a, constant(-1, a.width))
        case "r^", a:
            return block.trunc(block.population_count(a), 1)
        case "m", choice, a, b:
            return block.select(choice, a, b)
        case ("u//" | "u%" | "s//" | "s%"), a, b:
            return divide(block, operator, a, b)
        case "<<", a, b:
            return shift(block, "shl", a, b)
        case "u>>", a, b:
            return shift(block, "lshr", a, b)
        case "s>>", a, b:
            return shift(block, "ashr", a, b)
        case _, a, b if operator in SAME_WIDTH:
            return block.op(SAME_WIDTH[operator], a, b)
        case _, a, b if operator in COMPARISONS:
            return block.compare(COMPARISONS[operator], a, b)
    raise AssertionError


def shift(block: Block, instruction: str, a: Word, amount: Word) -> Word:
    """Shift by an ``amount`` of any width; what is shifted in never ends."""
    width = a.width
    if (1 << amount.width) <= width:         # cannot reach the width
        return block.op(instruction, a, block.zext(amount, width))
    # The last amount of use: all bits but the sign are gone.
    last = constant(width - 1, amount.width)
    beyond = block.compare("ugt", amount, last)
    amount = block.select(beyond, last, amount)
    amount = block.zext(amount, width) if amount.width < width else block.trunc(amount, width)
    shifted = block.op(instruction, a, amount)
    return shifted if instruction == "ashr" else block.select(beyond, constant(0, width), shifted)


def divide(block: Block, operator: str, a: Word, b: Word) -> Word:
    """Quotient rounded down, or the remainder that goes with it; 0 for both when ``b`` is 0."""
    width = a.width
    none = constant(0, width)
    by_zero = block.compare("eq", b, none)
    divisor = block.select(by_zero, constant(1, width), b)
    if operator[0] == "u":
        result = quotient(block, a, divisor)
    else:
        # Divide the magnitudes; a negative quotient rounds away from zero.
        a_negative, b_negative = (block.compare("slt", word, none) for word in (a, divisor))
        a_size, b_size = (block.select(negative, block.op("sub", none, word), word)
                          for negative, word in ((a_negative, a), (b_negative, divisor)))
        rounded = block.op("sub", a_size, constant(1, width))
        below_zero = block.op("xor", a_negative, b_negative)
        # -ceil(x / y) is ~((x - 1) // y); of x = 0 it would be a quotient of -1, but is 0.
        below_zero = block.op("and", below_zero, block.compare("ne", a, none))
        size = quotient(block, block.select(below_zero, rounded, a_size), b_size)
        result = block.select(below_zero, block.inverse(size), size)
    if operator[1:] == "%":
        result = block.op("sub", a, block.op("mul", result, divisor))
    return block.select(by_zero, none, result)


def quotient(block: Block, a: Word, b: Word) -> Word:
    """Unsigned, rounded down; ``b`` is not 0."""
    if a.width <= 64:
        return block.op("udiv", a, b)
    # LLVM makes wider divisions calls of a library that may not be there.
    width = a.width + 1
    return block.trunc(block.call(
        f"divide.i{width}", LONG_DIVISION.replace("iN", f"i{width}"),
        block.zext(a, width), block.zext(b, width)), a.width)


# A bit a round, from the highest. Operands leave the highest bit of iN free.
LONG_DIVISION = """
define internal iN @divide.iN(iN %a, iN %b) noinline {
entry:
  br label %round
round:
  %left = phi iN [-1, %entry], [%left.next, %round]
  %rest = phi iN [0, %entry], [%rest.next, %round]
  %bits = phi iN [%a, %entry], [%bits.next, %round]
  %negative = icmp slt iN %bits, 0
  %bit = zext i1 %negative to iN
  %doubled = shl iN %rest, 1
  %tried = or iN %doubled, %bit
  %fits = icmp uge iN %tried, %b
  %reduced = sub iN %tried, %b
  %rest.next = select i1 %fits, iN %reduced, iN %tried
  %shifted = shl iN %bits, 1
  %digit = zext i1 %fits to iN
  %bits.next = or iN %shifted, %digit
  %left.next = shl iN %left, 1
  %more = icmp ne iN %left.next, 0
  br i1 %more, label %round, label %done
done:
  ret iN %bits.next
}"""
