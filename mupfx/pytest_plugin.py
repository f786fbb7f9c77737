"""A plugin of pytest: checks as tests. It is loaded in every run, so it imports nothing heavy.

::

    def test_mup(mupfx_check):
        mupfx_check(make_model, widths=(64, 128, 256))

    @pytest.mark.mup(make_model, fast=True)
    def test_marked(mupfx_report):
        assert not mupfx_report.notes
"""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from mupfx.core.report import Report

_MARKER = "mup"
_REPORT = "mupfx_report"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(factory, **options): fails where mupfx.check(factory, **options) does not pass",
    )


@pytest.fixture
def mupfx_check() -> "Callable[..., Report]":
    """``mupfx_check(factory, **options)`` fails the test where a check does not pass."""
    from mupfx.testing import assert_mup  # noqa: PLC0415 - torch

    return assert_mup


@pytest.fixture
def mupfx_report(request: pytest.FixtureRequest) -> "Report":
    """The report of a marked test, whatever its verdict: the test itself says what is good."""
    marker = _marker(request.node)
    if marker is None:
        raise pytest.UsageError(
            f"{_REPORT} is the report of a marked test: @pytest.mark.{_MARKER}(factory)"
        )
    from mupfx.checking import check  # noqa: PLC0415 - torch

    factory, options = _arguments(marker)
    options.pop("allow_inconclusive", None)
    return check(factory, **options)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Check before a marked test that does not ask for its report."""
    __tracebackhide__ = True
    marker = _marker(item)
    if marker is not None and _REPORT not in getattr(item, "fixturenames", ()):
        from mupfx.testing import assert_mup  # noqa: PLC0415 - torch

        factory, options = _arguments(marker)
        assert_mup(factory, **options)
    return (yield)


def _marker(node: pytest.Item) -> pytest.Mark | None:
    found: pytest.Mark | None = node.get_closest_marker(_MARKER)
    return found


def _arguments(marker: pytest.Mark) -> tuple[Any, dict[str, Any]]:
    if len(marker.args) != 1:
        raise pytest.UsageError(
            f"@pytest.mark.{_MARKER} takes one factory and options by name: "
            f"@pytest.mark.{_MARKER}(make_model, widths=(64, 128, 256))"
        )
    return marker.args[0], dict(marker.kwargs)
