"""What others have published of the MLPerf Tiny models: inferences a second, and where."""

from dataclasses import dataclass

TINY = "mlcommons/tiny_results_"


@dataclass(frozen=True)
class Peer:
    """``rates`` has inferences a second of the reference models in int8, by the model's name."""

    name: str
    rates: dict[str, float]
    source: str


PEERS = (
    Peer("CFU-Playground on an iCE40UP5K at 12 MHz, a CPU and what was built for this model",
         {"kws": 0.48}, "google/CFU-Playground: proj/kws_micro_accel/DESIGN.md, "
                                  "24,601 ticks of 1,024 cycles"),
    Peer("STM32H7A3 at 280 MHz (Cortex-M7)",
         {"kws": 88, "resnet8": 24.5, "vww": 42, "ad": 816}, TINY + "v1.2, closed, NUCLEO-H7A3ZI"),
    Peer("fpgaConvNet on a Cora-Z7 (XC7Z007S, 55 DSPs, 143 MHz)", {"kws": 237.5},
         TINY + "v1.1, closed"),
    Peer("fpgaConvNet on a ZyBo (XC7Z010, 60 DSPs, 125 MHz)", {"kws": 464.9},
         TINY + "v1.1, closed"),
    Peer("fpgaConvNet on a ZedBoard (XC7Z020, 188 to 211 DSPs, 143 MHz)",
         {"kws": 3087.9, "resnet8": 2431, "vww": 105}, TINY + "v1.1, closed"),
    Peer("Andes D45 soft core on an XC7K410 at 60 MHz",
         {"kws": 14.6, "resnet8": 4.39, "vww": 4.43, "ad": 82.5}, TINY + "v0.7, closed"),
)
