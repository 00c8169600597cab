"""What ``sim compare`` found out, as text for people and as JSON for programs."""

from dataclasses import asdict
from typing import Any

from compiler.numerics import PROFILES
from sim.oracles import RUNTIMES
from sim.profiles import Comparison, Verdict


def document(verdict: Verdict) -> dict[str, Any]:
    """All of it in plain values."""
    return {
        "model": verdict.model,
        "data": verdict.source,
        "images": verdict.images,
        "values": verdict.values,
        "agrees": verdict.agrees,
        "matches": {profile: [runtime.name for runtime in verdict.equal(profile)]
                    for profile in PROFILES},
        "versions": {runtime.name: runtime.version for runtime in RUNTIMES.values()},
        "refused": verdict.refused,
        "lacking": verdict.lacking,
        "comparisons": [{
            "runtime": c.runtime.name, "profile": c.profile, "images_that_differ": c.images,
            "values_that_differ": c.values, "largest_difference": c.largest,
            "first_difference": c.first and asdict(c.first) | {"text": str(c.first)},
        } for c in verdict.comparisons],
    }


def text(verdict: Verdict) -> str:
    """All of it in lines."""
    count = f"{verdict.images:,} image{'s' * (verdict.images != 1)}"
    lines = [f"model      {verdict.model}, {count} of {verdict.source}, {verdict.values:,} values"]
    for runtime in RUNTIMES.values():
        lines += ["", f"{runtime.title}: {runtime.package} {runtime.version}"]
        if runtime.name in verdict.refused:
            lines.append(f"  does not run this model: {verdict.refused[runtime.name]}")
        lines += [f"  profile {c.profile:<8} {beside(c, count)}"
                  for c in verdict.comparisons if c.runtime == runtime]
    lines.append("")
    for profile in PROFILES:
        if profile in verdict.lacking:
            lines.append(f"profile {profile} does not run this model: {verdict.lacking[profile]}")
            continue
        found = verdict.equal(profile)
        titles = ", ".join(runtime.title for runtime in found)
        lines.append(f"profile {profile} equals, byte for byte: {titles or 'none of them'}")
    return "\n".join(lines)


def beside(comparison: Comparison, count: str) -> str:
    """One line of a runtime and a profile."""
    c = comparison
    if not c.images:
        return f"equal: all of {count} in every byte"
    return (f"differs in {c.images:,} of {count}, {c.values:,} values, by {c.largest:g} at the "
            f"most; first in {c.first}")
