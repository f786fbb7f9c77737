"""``mupfx demo``: convert a small GPT, then train it at three widths, as it is and in muP."""

from mupfx.commands.convert import converted
from mupfx.commands.subject import Subject, Wish
from mupfx.commands.terminal import counter, write, write_json, write_text
from mupfx.demo.experiment import experiment
from mupfx.demo.outcome import outcome
from mupfx.demo.report import introduction, report
from mupfx.demo.settings import Settings
from mupfx.render.plan import plan_document

TARGET = "mupfx.demo.gpt:example"


def demo(*, as_json: bool) -> None:
    """Run the whole demo."""
    settings = Settings()
    widest = settings.widths[-1]
    subject = Subject(TARGET, arguments=[f"width={widest}"], base=[str(settings.base)])
    _, plan = converted(subject, Wish())
    if not as_json:
        write((*introduction(settings), *plan_document(plan)))
        write_text("")

    with counter("training", settings.all_steps) as after_step:
        found = outcome(experiment(settings, after_step))
    if as_json:
        write_json({"plan": plan.to_dict(), **found.to_dict()})
    else:
        write(report(found, settings))
