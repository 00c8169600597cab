"""A model as it lies in a slot of a board's store: header, tape (docs/protocol.md)."""

import hashlib
from dataclasses import asdict, dataclass, replace

from compiler.errors import ModelError
from compiler.program import Program, input_bytes, output_bytes
from hw.config import ALL_LAYERS, HEADER_BYTES, MAGIC, SLOT_HEADER, TAPE_OFFSET, EngineConfig
from hw.fields import jump_fields, layer_fields

FORMAT = 1
HASH_BYTES = 8                            # of an engine's name


def engine_hash(config: EngineConfig) -> bytes:
    """The name of an engine: two with the same one play the same tapes."""
    places = [(name, offset, field.width) for fields in (layer_fields(config), jump_fields(config))
              for name, offset, field in fields.places]
    text = repr((sorted(asdict(config).items()), places))
    return hashlib.sha256(text.encode()).digest()[:HASH_BYTES]


@dataclass(frozen=True)
class Header:
    """What stands in front of a tape. ``crc`` is what the golden vector must give."""

    layers: int
    beats: int
    input_bytes: int
    output_bytes: int
    crc: int
    engine: bytes
    model: bytes

    def pack(self) -> bytes:
        """The header's 64 bytes."""
        return SLOT_HEADER.pack(MAGIC, FORMAT, self.layers - 1, self.beats - 1, self.input_bytes,
                           self.output_bytes, self.crc, self.engine, self.model)

    @classmethod
    def parse(cls, data: bytes) -> "Header":
        """The inverse; ModelError where it is none."""
        if len(data) != HEADER_BYTES or data[:len(MAGIC)] != MAGIC:
            raise ModelError("a model's header must be 64 bytes that begin with SYST")
        _, found, layers, beats, *rest = SLOT_HEADER.unpack(data)
        if found != FORMAT:
            raise ModelError(f"a model's header must be of format {FORMAT}, not {found}")
        return cls(layers + 1, beats + 1, *rest)


def header(program: Program, crc: int) -> Header:
    """The header of a program whose golden vector gives ``crc`` (sim/made.py)."""
    if len(program.layers) > ALL_LAYERS:
        raise ModelError(f"a model must have at most {ALL_LAYERS} layers, not "
                         f"{len(program.layers)}")
    found = Header(len(program.layers), len(program.tape) // program.config.tape_bytes,
                   input_bytes(program), output_bytes(program), crc, engine_hash(program.config),
                   b"")
    model = hashlib.sha256(found.pack()[:HEADER_BYTES // 2] + program.tape).digest()
    return replace(found, model=model)


def slot_image(program: Program, crc: int) -> bytes:
    """Header and tape, as they lie in a slot."""
    return header(program, crc).pack().ljust(TAPE_OFFSET, b"\xff") + program.tape
