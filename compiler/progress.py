"""Progress of long work, on stderr."""

from tqdm import tqdm


def progress(what: str, count: int) -> tqdm:
    """A bar for whoever waits longer than two seconds at a terminal."""
    return tqdm(desc=what, total=count, unit="image", delay=2, disable=None, leave=False)
