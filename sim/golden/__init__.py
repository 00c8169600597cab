"""The golden model: every operator in integer numpy, the truth that hardware is compared with."""

from sim.golden.engine import Golden as Golden
from sim.golden.engine import run as run
