"""The golden model: every operator in integer numpy, the truth that hardware is compared with."""

from compiler.golden.engine import Golden as Golden
