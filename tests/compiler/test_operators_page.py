"""docs/operators.md is what the tables say, and says all of it."""

from pathlib import Path

from compiler.__main__ import main
from compiler.finding import sentences
from compiler.golden.engine import KERNELS
from compiler.kinds import RESHAPES
from compiler.lower import LOWER
from compiler.operators import markdown
from compiler.partition import HOST_ONLY
from compiler.rules import RULES, SUPPORTED
from compiler.unary import LACKING

APART = ("- Runs ", "- Computes: ", "- Has ")
PAGE = Path(__file__).parents[2] / "docs" / "operators.md"


def test_page_is_current(capsys):
    assert main(["operators"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(), \
        "make it again: python -m compiler operators > docs/operators.md"


def test_page_has_every_operator_with_every_rule():
    sections = dict(part.split("\n", 1) for part in markdown().split("\n## ")[1:])
    assert list(sections) == ["All operators", *SUPPORTED]
    for kind in SUPPORTED:
        assert kind in {*LOWER, *RESHAPES, *HOST_ONLY, "QUANTIZE"} and kind in KERNELS
        lines = sections[kind].strip().split("\n")
        assert sum(line.startswith("- Runs ") for line in lines) >= 1, kind
        assert sum(line.startswith("- Computes: ") for line in lines) == 1, kind
        assert [f"- Has no golden model in the profile {profile}, whose runtime lacks the kernel."
                for profile, lacking in LACKING.items() if kind in lacking] == \
            [line for line in lines if line.startswith("- Has ")]
        rules = [sentences(rule) for kinds, rule in RULES if kind in kinds]
        assert [line for line in lines if not line.startswith(APART)] == [
            f"- {text[0].upper()}{text[1:]}. *{remedy[0].upper()}{remedy[1:]}.*"
            for text, remedy in rules]
