import re

import pytest

from hw.system import SystemConfig

CYCLES = "flash_cycles must be 1, or 2 where flash_dq is at most 4, not "


@pytest.mark.parametrize("parameters, message", (
    ({"flash_dq": 3}, "flash_dq must be 0, or one of 1, 2, 4, 8, not 3"),
    ({"flash_dq": 2, "flash_cycles": 3}, CYCLES + "3"),
    ({"flash_dq": 8, "flash_cycles": 2}, CYCLES + "2"),
    ({"flash_dq": 1, "store_base": 100}, "store_base must be a multiple of 65,536, not 100"),
))
def test_refused(parameters, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SystemConfig(**parameters)
