"""How the place of a layer's reads, and of its writes, moves on from each to the next."""

from hw.config import COLUMN_STEP, LOOPS, READ_STEPS, STEPS, WRITE_STEPS, EngineConfig, Mode
from hw.fields import Field, jump_fields, signed, unsigned, up_to


def walk_fields(config: EngineConfig) -> dict[str, Field]:
    """The fields of a layer that become jumps, in bytes and rows of the image.

    `base`, `row_stride` and `ky_stride` make the address of an input row; `x_start` and the other
    strides make the offset `x` of a byte in that row. ``same_word``: every chunk is the same word,
    for other weights. `out_base` and the strides of pixels and rows make the output's address. In a
    layer of windows a column has `parts` outputs more than one, `out_part` apart.
    """
    address, stride = unsigned(config.addr_width), unsigned(config.addr_width)
    return {
        "same_word":     unsigned(1),
        "base":          address,      # of the row that the first ky of the first row reads
        "row_stride":    address,
        "ky_stride":     address,
        "x_start":       signed(config.addr_width + 1),
        "group_stride":  up_to(config.word_bytes),
        "tile_stride":   stride,
        "column_stride": stride,
        "kx_stride":     stride,
        "y_start":       signed(9),
        "y_row_step":    unsigned(4),
        "y_ky_step":     unsigned(4),
        "out_base":      address,
        "out_pixel":     address,
        "out_row":       address,
    } | ({"out_part": address, "parts": unsigned(4)} if config.windows else {})


def pack_jumps(fields: dict[str, int], config: EngineConfig) -> bytes:
    """The jumps of all kinds of steps, each in whole beats."""
    size, together = config.jump_beats * config.tape_bytes, jump_fields(config)
    jumps = zip(read_jumps(fields, config), write_jumps(fields, config), strict=True)
    return b"".join(together.pack({"read": read, "write": write}).to_bytes(size, "little")
                    for read, write in jumps)


def read_jumps(f: dict[str, int], config: EngineConfig) -> list[dict[str, int]]:
    """A step of a loop goes one stride on, and back over all turns of the loops inside of it."""
    loops = {                                    # turns less one, strides of address, x and y
        "column": (config.columns - 1 if f["mode"] == Mode.ARRAY else 0,
                   f["column_stride"], f["column_stride"], 0),
        "chunk":  (f["chunks"], *(0 if f["same_word"] else config.word_bytes,) * 2, 0),
        "kx":     (f["kx"], f["kx_stride"], f["kx_stride"], 0),
        "ky":     (f["ky"], f["ky_stride"], 0, f["y_ky_step"]),
        "tile":   (f["tiles"], f["tile_stride"], f["tile_stride"], 0),
        "row":    (f["rows"], f["row_stride"], 0, f["y_row_step"]),
        "group":  (f["groups"], f["group_stride"], f["group_stride"], 0),
    }
    jumps = [{"addr": f["base"] + f["x_start"], "x": f["x_start"], "y": f["y_start"]}] * STEPS
    back = {"addr": 0, "x": 0, "y": 0}
    for name in LOOPS:
        count, *strides = loops[name]
        to = dict(zip(back, strides, strict=True))
        jumps[READ_STEPS[name]] = {place: to[place] - back[place] for place in back}
        back = {place: back[place] + count * to[place] for place in back}
    return jumps


def write_jumps(f: dict[str, int], config: EngineConfig) -> list[dict[str, int]]:
    """A value's place is that of its pixel, and as many steps on as values of the pixel have gone
    before it."""
    if f.get("window"):
        return [{"addr": jump} for jump in window_jumps(f, config)]
    is_array, is_load = f["mode"] == Mode.ARRAY, f["mode"] == Mode.LOAD
    pixels = f["tiles"] * config.columns + f["last_columns"] if is_array else f["tiles"]
    jumps = [f["out_base"]] * STEPS
    for last, channels in (("", f["channels"]), ("last_", f["last_channels"])):
        pixel = 0 if is_load else channels // config.requantizers * config.requantizers
        row   = pixel + pixels * f["out_pixel"]
        group = row + f["rows"] * f["out_row"]
        jumps[WRITE_STEPS[f"{last}value"]] = config.requantizers
        jumps[WRITE_STEPS[f"{last}pixel"]] = f["out_pixel"] - pixel
        jumps[WRITE_STEPS[f"{last}row"]]   = f["out_row"] - row
        if not last:
            jumps[WRITE_STEPS["group"]] = f["channels"] + 1 - group
    return [{"addr": jump} for jump in jumps]


def window_jumps(f: dict[str, int], config: EngineConfig) -> list[int]:
    """The outputs of a layer of windows: of a column, of the columns, of the rows above them."""
    channels = f["channels" if f["groups"] else "last_channels"]
    columns = (f["tiles"] - f["skip_tiles"]) // (f["every_tile"] + 1)
    pixel  = channels // config.requantizers * config.requantizers
    column = pixel + f["parts"] * f["out_part"]
    row    = column + columns * f["out_pixel"]
    group  = row + f["rows"] * f["out_row"]
    jumps = [f["out_base"]] * STEPS
    for flag in ("", "last_"):
        jumps[WRITE_STEPS[f"{flag}value"]] = config.requantizers
    jumps[WRITE_STEPS["pixel"]] = f["out_part"] - pixel
    jumps[COLUMN_STEP]          = f["out_pixel"] - column
    jumps[WRITE_STEPS["row"]]   = f["out_row"] - row
    jumps[WRITE_STEPS["group"]] = f["channels"] + 1 - group
    return jumps
