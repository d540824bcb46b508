"""How Hypothesis explores.

``test``: the same examples each run, however busy the machine is. A failure is not made smaller, for that may take minutes:
``--hypothesis-profile fuzz`` does it. ``fuzz``: anew, by the seed it is given.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

_BUSY = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile(
    "test",
    derandomize=True,
    database=None,
    deadline=None,
    stateful_step_count=30,
    phases=[Phase.explicit, Phase.generate],
    print_blob=True,
    suppress_health_check=_BUSY,
)
settings.register_profile(
    "fuzz",
    derandomize=False,
    database=None,
    deadline=None,
    stateful_step_count=30,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=_BUSY,
)
