"""A check as an assertion."""

from typing import Any

from mupfx.checking import check
from mupfx.core.report import Report, Verdict
from mupfx.pipeline.checking.target import Factory
from mupfx.render.check.document import report_document
from mupfx.render.text import plain


def assert_mup(factory: Factory, *, allow_inconclusive: bool = False, **options: Any) -> Report:
    """Fail where a model, its init or its optimizer leaves its parametrization.

    Args:
        factory: As for ``mupfx.check``.
        allow_inconclusive: Take a check that could not decide for one that passed.
        **options: As for ``mupfx.check``: ``widths=(64, 128, 256)``, ``fast=True``, ...

    Returns:
        The report, of a check that passed.

    Raises:
        AssertionError: It did not pass; the text is the report.
        TargetError: The factory cannot be called so, or raised.
    """
    __tracebackhide__ = True
    report = check(factory, **options)
    require(report, allow_inconclusive=allow_inconclusive)
    return report


def require(report: Report, *, allow_inconclusive: bool = False) -> None:
    """Fail with the report where the check did not pass.

    Raises:
        AssertionError: It did not.
    """
    __tracebackhide__ = True
    good = {Verdict.PASS, Verdict.INCONCLUSIVE} if allow_inconclusive else {Verdict.PASS}
    if report.verdict not in good:
        raise AssertionError(plain(report_document(report)))
