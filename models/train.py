"""Train the networks that this project ships, and write them as .tflite files.

Each model has two halves. A *network* is a Keras model and its training schedule; a *conversion*
says what the edges of its file look like. Everything between the edges is int8, with one weight
scale per output channel (one per tensor after quantization-aware training) and batch
normalization folded away. The batch size is 1.

A pixel p (0 to 255) is the real number p/255, for training, for calibration and for users.
"""

import argparse
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before the import, which is when it is read

import numpy as np
import tensorflow as tf
import tf_keras as keras
from mnist import RESERVED, training_set
from tf_keras import layers

SEED = 1
BATCH = 128
CALIBRATION_IMAGES = 500


def mlp() -> keras.Model:
    """Dense 784-512-100-10: the weights dominate, each is used once an image."""
    return keras.Sequential([
        layers.InputLayer((784,)),
        layers.Dense(512, "relu"),
        layers.Dense(100, "relu"),
        layers.Dense(10, "softmax"),
    ])


def dense_qat() -> keras.Model:
    """Dense 784-10, trained with its own rounding errors (fake quantization in the loop).

    The last layer has no softmax, so that the floats at the output are the dequantized logits.
    """
    # Imported here because only this network needs the package.
    from tensorflow_model_optimization.quantization.keras import quantize_model
    return quantize_model(keras.Sequential([layers.InputLayer((784,)), layers.Dense(10)]))


def cnn() -> keras.Model:
    """The smallest network with a convolution, a pool and a dense layer."""
    return keras.Sequential([
        layers.InputLayer((28, 28, 1)),
        layers.Conv2D(12, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(10, "softmax"),
    ])


def residual() -> keras.Model:
    """Depthwise-separable residual network: a stem, six blocks, global average, dense.

    The convolution of the stem and one block have stride 2: 28 x 28, then 14 x 14, then 7 x 7.
    """
    def separable(x, filters, stride=1):
        """3x3 depthwise, 1x1 convolution. Around it goes the identity where shapes allow that."""
        y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(filters, 1, use_bias=False)(y)
        y = layers.BatchNormalization()(y)
        if x.shape == y.shape:
            y = layers.Add()([x, y])
        return layers.ReLU()(y)

    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = separable(x, 32)
    x = separable(x, 32)
    x = separable(x, 32)
    x = separable(x, 64, stride=2)
    x = separable(x, 64)
    x = separable(x, 64)
    x = layers.AveragePooling2D(7)(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(10, "softmax")(x))


@dataclass(frozen=True)
class Network:
    """A Keras model and how it is trained."""
    build: Callable[[], keras.Model]
    epochs: int
    learning_rate: float    # at the start: Adam, to zero along a cosine
    shift: int = 0          # augmentation: each image moves up to this many pixels in x and y
    logits: bool = False    # the last layer has no softmax


@dataclass(frozen=True)
class Conversion:
    """A file to write: which network, and the type of its input and output."""
    network: str
    edges: tf.DType


NETWORKS = {
    "mlp":       Network(mlp, epochs=8, learning_rate=1e-3),
    "dense_qat": Network(dense_qat, epochs=8, learning_rate=5e-3, logits=True),
    "cnn":       Network(cnn, epochs=10, learning_rate=2e-3),
    "residual":  Network(residual, epochs=15, learning_rate=4e-3, shift=2),
}

MODELS = {
    "mnist_mlp_int8":           Conversion("mlp", tf.int8),
    "mnist_dense_qat_float_io": Conversion("dense_qat", tf.float32),
    "mnist_cnn_int8":           Conversion("cnn", tf.int8),
    "mnist_cnn_uint8":          Conversion("cnn", tf.uint8),
    "mnist_residual_int8":      Conversion("residual", tf.int8),
}


def real(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bytes to the real numbers that the networks take, each image in `shape`."""
    return (images.astype(np.float32) / 255).reshape(-1, *shape)


def batches(images, labels, *, shape, shift, rng) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Endless batches, shuffled anew in each epoch, each image moved by up to `shift` pixels."""
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift)))
    # windows[n, y, x] is image n moved by (shift - y, shift - x): a view, nothing is copied.
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[1:], axis=(1, 2))
    while True:
        order = rng.permutation(len(images))
        for chosen in np.split(order, range(BATCH, len(order), BATCH)):
            y, x = rng.integers(0, 2 * shift + 1, (2, len(chosen)))
            yield real(windows[chosen, y, x], shape), labels[chosen]


def train(network: Network, images: np.ndarray, labels: np.ndarray) -> keras.Model:
    """Train a network from its seed. The schedule is fixed: no image decides when to stop."""
    keras.backend.clear_session()  # else layer names, which reach the file, count on across models
    keras.utils.set_random_seed(SEED)
    model = network.build()
    steps = -(-len(images) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(network.learning_rate, network.epochs * steps)
    model.compile(keras.optimizers.Adam(schedule), metrics=["accuracy"],
                  loss=keras.losses.SparseCategoricalCrossentropy(from_logits=network.logits))
    model.fit(batches(images, labels, shape=model.input_shape[1:], shift=network.shift,
                      rng=np.random.default_rng(SEED)),
              epochs=network.epochs, steps_per_epoch=steps, verbose=2)
    return model


def convert(model: keras.Model, edges: tf.DType, images: np.ndarray) -> bytes:
    """The .tflite file of a trained model, calibrated on `images`.

    With float edges the model must have been trained with fake quantization: its ranges are in
    it, and nothing is calibrated.
    """
    # A Keras model has an open batch size, for which the converter writes SHAPE, STRIDED_SLICE
    # and PACK in front of every RESHAPE. A concrete function has a shape.
    shape = model.input_shape[1:]
    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32, name="image"))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if edges != tf.float32:
        converter.representative_dataset = lambda: ([x[None]] for x in real(images, shape))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = edges
        converter.inference_output_type = edges
    return converter.convert()


def main():
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__,
        epilog="models:\n" + "\n".join(
            f"  {name:<26}{model.edges.name + ' edges,':<15}"
            f"{NETWORKS[model.network].build.__doc__.splitlines()[0]}"
            for name, model in MODELS.items())
        + "\n\nThe training takes eight minutes of one core; `models/evaluate.py` measures it.")
    parser.add_argument("--mnist", type=Path, required=True, metavar="DIR",
                        help="folder with train-images-idx3-ubyte.gz and train-labels-idx1-ubyte"
                             f".gz; the first {RESERVED:,} images are left out (they are the users'"
                             " sample), and the test images are not opened")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="DIR",
                        help="where the files go (default: beside this script)")
    parser.add_argument("--only", action="append", choices=MODELS, metavar="NAME",
                        help="write this model only; may be given more than once")
    args = parser.parse_args()

    tf.config.experimental.enable_op_determinism()
    images, labels = training_set(args.mnist)
    trained = {}
    for name in args.only or MODELS:
        network, edges = MODELS[name].network, MODELS[name].edges
        if network not in trained:
            start = time.monotonic()
            trained[network] = train(NETWORKS[network], images, labels)
            print(f"{network}: trained in {time.monotonic() - start:.0f} s")
        data = convert(trained[network], edges, images[:CALIBRATION_IMAGES])
        (args.out / f"{name}.tflite").write_bytes(data)
        print(f"{name}: {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
