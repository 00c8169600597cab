"""One output value worked out, number by number: as TFLite does it, and as the engine does.

Nothing here but Python's own integers, and floats where TFLite has them: what a reader could type.
"""

from compiler.explain.page import Explanation as Explanation
from compiler.explain.page import explain as explain
