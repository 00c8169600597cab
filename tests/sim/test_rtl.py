"""The RTL against LiteRT, TFLM and the golden model, and the cycle predictor against the RTL.

Reference outputs are those stored beside the models in ``../shared``; the predictor has to name
the cycle in which every layer of every image ends.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from small_models import dense

from compiler.cycles import predict
from compiler.errors import ModelError
from compiler.golden import Golden
from compiler.program import Program, compile_model
from compiler.targets import DEFAULT, TARGETS
from hw.config import EngineConfig
from sim.host import Host
from sim.rtl import RtlEngine

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
CONFORMANCE = sorted((SHARED / "conformance" / "models").glob("*.tflite"))
OTHERS = sorted((SHARED / "models").glob("*/*.tflite"))
SHIPPED = sorted((ROOT / "models").glob("*.tflite"))

needs_shared = pytest.mark.skipif(not CONFORMANCE, reason="../shared holds the reference outputs")

# Every operator, padding, stride, batches and ties; run on every geometry.
CORE = (
    "add_0_1x6x6x3_1x6x6x3_none", "add_6_const_scalar", "blk_00_residual_relu",
    "blk_02_inverted_residual", "blk_04_conv_maxpool_fc", "blk_16_two_outputs",
    "conv_02_9x9x5_17_k3x3_s2_d1_same_relu6_bias_pc_b1",
    "conv_06_15x15x4_4_k3x3_s1_d2_same_relu_bias_pc_b1",
    "conv_10_9x12x5_3_k4x3_s1_d1_same_relu_nobias_pc_b2", "conv_22_stride_1x2",
    "dw_02_10x8x5_m2_k3x3_s1_d1_valid_relu_bias_pc",
    "dw_06_14x14x4_m1_k7x7_s3_d1_same_none_bias_pc",
    "dw_12_6x6x33_m1_k3x3_s1_d1_same_relu6_bias_pc", "fc_02_b3_17x5_relu6_bias_pc",
    "fc_12_3d_keepdims", "mean_0_1x7x7x16_ax12_keep", "pad_2_2d",
    "pool_01_avg_9x7x5_k3x3_s2x2_same", "pool_11_max_10x6x33_k2x3_s1x2_same", "relu6_0",
    "tie_conv_18_7x7x17_17_k3x3_s3_d1_valid_relu_bias_pc_b1",
)

# LiteRT's SUM reads int8 as uint8 (../shared/conformance/README.md): TFLM's is right.
WRONG = {("sum_0", "ref"): "tflm"}

GEOMETRIES = {
    "1x1x1": EngineConfig(rows=1, columns=1, lanes=1, tape_rows=1),
    "one row": EngineConfig(rows=1, columns=2, lanes=4, tape_rows=1),
    "no power of two": EngineConfig(rows=3, columns=2, lanes=3, tape_rows=3),
    "4x4x1": EngineConfig(rows=4, columns=4, lanes=1, tape_rows=2),
    "128 a cycle": EngineConfig(rows=8, columns=4, lanes=4, tape_rows=2),
    "whole sums": EngineConfig(rows=8, columns=2, lanes=4, tape_rows=8, whole_sums=True,
                               acc_width=28),
    "two ports": EngineConfig(rows=3, columns=2, lanes=3, tape_rows=1, write_port=True),
    "four results": EngineConfig(rows=8, columns=1, lanes=8, tape_rows=4, whole_sums=True,
                                 requantizers=4, write_port=True, channel_records=16, results=16),
    "rows together": EngineConfig(rows=4, columns=2, lanes=4, rows_together=2, tape_rows=1),
    "all together": EngineConfig(rows=8, columns=1, lanes=8, rows_together=4, tape_rows=4,
                                 whole_sums=True, requantizers=4, write_port=True),
    "two of columns": EngineConfig(rows=4, columns=3, lanes=4, tape_rows=4, whole_sums=True,
                                   requantizers=2, write_port=True, acc_width=26),
    "small rings": EngineConfig(weight_words=16, channel_records=8, results=16, tape_rows=1),
}


@lru_cache(maxsize=1)
def compiling(profile: str) -> list[Path]:
    """The conformance models that the board's engine runs."""
    found = []
    for path in CONFORMANCE:
        try:
            compile_model(path, DEFAULT.engine, profile)
        except ModelError:
            continue
        found.append(path)
    return found


def run(program: Program, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The model's outputs by way of the RTL, whose schedule must be the predicted one."""
    host = Host(program)
    found = RtlEngine(program, threads=1).run(host.to_device(inputs))
    images = len(inputs[0])
    predicted = predict(program, images)
    assert found.ends.tolist() == [list(ends) for ends in predicted.ends]
    assert found.cycles == predicted.total
    assert found.layer_cycles == [sum(spent.values()) for spent in predicted.spent]
    return host.from_device(found.outputs)


def check(path: Path, data: Path, config: EngineConfig, profile: str, key: str,
          images: int) -> bool:
    """Whether there were references to compare with; they must be equal."""
    if not data.is_file():
        return False
    stored, key = np.load(data), WRONG.get((path.stem, key), key)
    if f"{key}0" not in stored:
        return False
    program = compile_model(path, config, profile)
    inputs = [stored[f"in{k}"][:images] for k in range(len(program.graph.inputs))]
    for k, output in enumerate(run(program, inputs)):
        wanted = stored[f"{key}{k}"][:images].reshape(output.shape)
        assert output.dtype == wanted.dtype
        assert np.array_equal(output, wanted), f"{path.stem}, output {k}"
    return True


@needs_shared
@pytest.mark.parametrize("profile,key", [("litert", "ref"), ("tflm", "tflm")])
def test_conformance(profile, key):
    """Every conformance model that compiles: more than a hundred."""
    folder = SHARED / "conformance" / "data"
    compared = [check(path, folder / f"{path.stem}.npz", DEFAULT.engine, profile, key, 2)
                for path in compiling(profile)]
    assert sum(compared) > 100


@needs_shared
@pytest.mark.parametrize("name", GEOMETRIES)
def test_geometries(name):
    """The same models on other arrays, and with rings so small that weights stream and replay."""
    for model in CORE:
        assert check(SHARED / "conformance" / "models" / f"{model}.tflite",
                     SHARED / "conformance" / "data" / f"{model}.npz", GEOMETRIES[name], "litert",
                     "ref", 2)


@needs_shared
@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("images", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_real_models(path, images):
    """What others have trained, where the engine runs it: a refusal names its reasons."""
    try:
        compile_model(path, DEFAULT.engine)
    except ModelError as error:
        pytest.skip(str(error).splitlines()[0])
    if not check(path, path.with_suffix(".npz"), DEFAULT.engine, "litert", "ref", images):
        pytest.skip("LiteRT cannot run it, so there are no reference outputs")


@pytest.mark.parametrize("channel_records", (8, 16, 32))
def test_records_that_wait(tmp_path, channel_records):
    """Dense layers of so few products that the tape waits for room in the ring of records."""
    path = tmp_path / "dense.tflite"
    path.write_bytes(dense(4, 64, 64))
    config = EngineConfig(rows=4, columns=1, lanes=4, tape_rows=4, weight_words=64,
                          channel_records=channel_records, results=16)
    program = compile_model(path, config)
    inputs = [np.random.default_rng(0).integers(-128, 128, (3, 1, 4)).astype(np.int8)]
    assert np.array_equal(run(program, inputs)[0], Golden(program.graph, "litert").run(inputs)[0])


@pytest.mark.parametrize("scratchpad_bytes, parts", ((1 << 14, 1), (1 << 13, 2), (1 << 12, 7)))
def test_stripes(scratchpad_bytes, parts):
    """Convolution and pooling in ever more stripes give the same, at the cycle predicted."""
    config = replace(TARGETS["hx8k"].engine, scratchpad_bytes=scratchpad_bytes)
    program = compile_model(ROOT / "models" / "mnist_cnn_int8.tflite", config)
    assert program.plan.peak_bytes <= scratchpad_bytes
    inputs = [np.random.default_rng(0).integers(-128, 128, (3, 1, 28, 28, 1)).astype(np.int8)]
    wanted = Golden(program.graph, "litert").run(inputs)
    for output, expected in zip(run(program, inputs), wanted, strict=True):
        assert np.array_equal(output, expected)
    assert sum(layer.operator == 0 for layer in program.layers) == parts


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("profile", ["litert", "tflm"])
@pytest.mark.parametrize("images", [4, pytest.param(500, marks=pytest.mark.slow)])
def test_shipped_models(path, profile, images):
    """The shipped models on random inputs, against the golden model."""
    program = compile_model(path, DEFAULT.engine, profile)
    rng = np.random.default_rng(7)
    inputs = []
    for index in program.graph.inputs:
        tensor = program.graph.tensors[index]
        if tensor.dtype == "float32":
            inputs.append(rng.random((images, *tensor.shape), np.float32))
        else:
            info = np.iinfo(tensor.dtype)
            inputs.append(rng.integers(info.min, info.max + 1, (images, *tensor.shape),
                                       tensor.dtype))
    wanted = Golden(program.graph, profile).run(inputs)
    for output, golden in zip(run(program, inputs), wanted, strict=True):
        assert np.array_equal(output, golden)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_same_bytes(path):
    """The same model gives the same tape."""
    first, second = (compile_model(path, DEFAULT.engine) for _ in range(2))
    assert first.tape == second.tape
