"""Int8 models that no runtime computes: LiteRT ends the process where a scale is out of bounds."""

from compiler.finding import Finding, apply, refuse
from compiler.ir import Graph
from compiler.rules import RULES, SUPPORTED
from compiler.rules.operators import (
    bounded_hard_swish,
    bounded_slope,
    fixed_output,
    softmax_output,
)
from compiler.rules.sums import (
    bounded_multipliers,
    bounded_products,
    bounded_sum,
    narrow_accumulators,
)
from compiler.rules.whole import integer_activations
from compiler.verify import verify

NUMBERS = (narrow_accumulators, bounded_multipliers, bounded_products, bounded_sum, bounded_slope,
           bounded_hard_swish, softmax_output, fixed_output)


def check_bounds(name: str, graph: Graph) -> None:
    """Refused where the numbers of an operator are such; what else the engine has against the model
    is no matter here."""
    found: list[Finding] = list(verify(graph))
    broken = {finding.operator for finding in found}
    for op in graph.operators:
        if op.kind in SUPPORTED and op.index not in broken \
                and not apply(integer_activations, graph, op):
            for kinds, rule in RULES:
                if op.kind in kinds and rule in NUMBERS:
                    found += apply(rule, graph, op)
    refuse(name, found)
