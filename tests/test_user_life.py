"""What users do with a model after conversion, on one that folds and one that needs a hook.

Llama is untied, so every multiplier goes into values and groups; the GPTs are tied, and their heads
grow in size, so that readout and logits carry multipliers of their own.
"""

import copy
import functools
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from torch.func import functional_call
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel

import mupfx
from tests.zoo.models import gpt, hugging_face
from tests.zoo.models.common import Built, tokens

BUILDERS: dict[str, Callable[..., Built]] = {
    "llama": hugging_face.llama,
    "gpt2": functools.partial(hugging_face.gpt2, head_scale=2),
    "gpt": functools.partial(gpt.gpt, head_scale=2),
}
NARROW: dict[str, Callable[..., Built]] = {
    "llama": hugging_face.llama,
    "gpt2": hugging_face.gpt2,
    "gpt": gpt.gpt,
}
EVERY = pytest.mark.parametrize("name", BUILDERS)
HUGGING_FACE = pytest.mark.parametrize("name", ["llama", "gpt2"])


@functools.cache
def _converted(name: str) -> nn.Module:
    model, args, kwargs = BUILDERS[name](2)
    return mupfx.convert(model, args, kwargs, base=NARROW[name](1)[0])


def converted(name: str) -> Any:
    """A copy of the converted model of its own."""
    return copy.deepcopy(_converted(name))


def ids() -> torch.Tensor:
    return tokens(97, 2, 9, seed=3)


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        out = model(ids())
    value: torch.Tensor = out[0]
    return value


def numbers(model: nn.Module) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay by parameter name."""
    names = {p: name for name, p in model.named_parameters()}
    groups = mupfx.param_groups(model, optimizer=torch.optim.AdamW, lr=1.0, weight_decay=1.0)
    return {names[p]: (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}


def step(model: nn.Module, **options: Any) -> torch.Tensor:
    """One step of AdamW; the loss before it."""
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=1e-2)
    with torch.autocast("cpu", **options) if options else torch.enable_grad():
        loss: torch.Tensor = model(ids())[0].float().square().mean()
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.detach()


# ------------------------------------------------------------------------------- the model itself


@EVERY
def test_class_code_and_keys_stay(name: str) -> None:
    plain, model = BUILDERS[name](2)[0], converted(name)
    assert type(model) is type(plain)
    assert list(model.state_dict()) == list(plain.state_dict())
    for ours, theirs in zip(model.modules(), plain.modules(), strict=True):
        assert type(ours) is type(theirs)
        assert "forward" not in vars(ours)


def test_convert_returns_the_object_it_was_given() -> None:
    model, args, kwargs = gpt.gpt()
    parameters = list(model.parameters())
    assert mupfx.convert(model, args, kwargs, base=gpt.gpt(1)[0]) is model
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))


def test_a_folded_model_carries_no_hook() -> None:
    """Nothing runs beside the user's forward."""
    for module in converted("llama").modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_hooks_can_be_refused() -> None:
    model, args, kwargs = BUILDERS["gpt"](2)
    with pytest.raises(mupfx.LoweringError):
        mupfx.convert(model, args, kwargs, base=NARROW["gpt"](1)[0], hooks=False)


# -------------------------------------------------------------------------------- hugging face


@HUGGING_FACE
def test_generate(name: str) -> None:
    """Greedy tokens are those of the logits, cache or no cache."""
    model = converted(name)
    prompt = ids()
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=3,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=None,
    )
    expected = prompt
    for _ in range(3):
        with torch.no_grad():
            following = model(expected, use_cache=False).logits[:, -1].argmax(-1)
        expected = torch.cat([expected, following[:, None]], 1)
    assert torch.equal(out, expected)


def test_save_pretrained_into_the_stock_class(tmp_path: Path) -> None:
    model = converted("llama")
    model.save_pretrained(tmp_path)
    stock, report = transformers.LlamaForCausalLM.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.equal(logits(stock.eval()), logits(model))
    with pytest.raises(mupfx.PlanError):
        mupfx.plan(stock)


def test_save_pretrained_of_a_tied_model(tmp_path: Path) -> None:
    """The stock class takes the values; the readout's multiplier is a hook and stays behind."""
    model = converted("gpt2")
    model.save_pretrained(tmp_path)
    stock, report = transformers.GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    for name, value in stock.named_parameters():
        assert torch.equal(value, model.get_parameter(name))
    assert "mupfx" not in str(model.config.to_dict())


@HUGGING_FACE
def test_gradient_checkpointing_of_a_converted_model(name: str) -> None:
    model, checkpointed = converted(name).train(), converted(name).train()
    for module in [*model.modules(), *checkpointed.modules()]:
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    checkpointed.activation_checkpointing_enable({"use_reentrant": False})
    assert torch.equal(step(model), step(checkpointed))
    for ours, theirs in zip(checkpointed.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_conversion_of_a_checkpointed_model() -> None:
    """The regions that checkpointing makes are entered, not skipped."""
    (model, args, kwargs), base = hugging_face.llama(2), hugging_face.llama(1)[0]
    for m in (model, base):
        assert isinstance(m, transformers.PreTrainedModel)
        m.activation_checkpointing_enable({"use_reentrant": False})
    mupfx.convert(model.train(), args, kwargs, base=base.train())
    assert numbers(model) == numbers(converted("llama"))


# --------------------------------------------------------------------------- compile and autocast


@EVERY
def test_compile_without_graph_breaks(name: str) -> None:
    model = converted(name)
    torch._dynamo.reset()
    compiled: Any = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(logits(compiled), logits(model))
    assert mupfx.plan(compiled) == mupfx.plan(model)
    assert len(mupfx.param_groups(compiled, optimizer=torch.optim.AdamW, lr=1.0)) > 1


@pytest.mark.slow
@EVERY
def test_compile_with_inductor(name: str) -> None:
    model = converted(name)
    torch._dynamo.reset()
    compiled: Any = torch.compile(model, fullgraph=True)
    torch.testing.assert_close(logits(compiled), logits(model), rtol=1e-4, atol=1e-5)


@EVERY
def test_autocast(name: str) -> None:
    """Low precision where the plain model has it, and a step that changes every parameter."""
    plain, model = BUILDERS[name](2)[0], converted(name)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        ours, theirs = model(ids())[0], plain(ids())[0]
    assert ours.dtype == theirs.dtype
    torch.testing.assert_close(ours.float(), logits(model), rtol=0.1, atol=0.02)
    before = copy.deepcopy(model.state_dict())
    step(model, dtype=torch.bfloat16)
    after = model.state_dict()
    assert all(not torch.equal(before[p], after[p]) for p, _ in model.named_parameters())


# -------------------------------------------------------------------------------------- schedules


def schedules(optimizer: torch.optim.Optimizer) -> dict[str, Callable[[], LRScheduler]]:
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    return {
        "cosine": lambda: CosineAnnealingLR(optimizer, 10),
        "one_cycle": lambda: OneCycleLR(optimizer, max_lr=rates, total_steps=10),
        "transformers": lambda: transformers.get_cosine_schedule_with_warmup(optimizer, 2, 10),
    }


@pytest.mark.parametrize("kind", ["cosine", "one_cycle", "transformers"])
def test_schedules_keep_the_ratios(kind: str) -> None:
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted("llama"), lr=1e-2)
    planned = [group["lr"] / 1e-2 for group in optimizer.param_groups]
    assert len(set(planned)) > 1
    scheduler, rates = schedules(optimizer)[kind](), planned
    for _ in range(5):
        optimizer.step()
        scheduler.step()
        rates = [group["lr"] for group in optimizer.param_groups]
        now = max(rates) / max(planned)
        assert rates == pytest.approx([now * ratio for ratio in planned])
        assert mupfx.check_groups(optimizer) == ()
    assert rates != pytest.approx([1e-2 * ratio for ratio in planned])


@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer: OneCycleLR(optimizer, max_lr=1e-2, total_steps=10),
        lambda optimizer: CosineAnnealingLR(optimizer, 3, eta_min=1e-3),
    ],
    ids=["one peak for all groups", "one floor for all groups"],
)
def test_schedules_that_lose_the_ratios_are_told(
    schedule: Callable[[torch.optim.Optimizer], LRScheduler],
) -> None:
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted("llama"), lr=1e-2)
    scheduler = schedule(optimizer)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    assert mupfx.check_groups(optimizer) != ()


# ------------------------------------------------------------------------------- copies and moves


def through_pickle(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def through_save(model: Any) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def through_state_dict(model: Any) -> Any:
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(model.state_dict())
    return other


def through_assignment(model: Any) -> Any:
    """``assign=True`` replaces the Parameter objects: nothing kept on them survives."""
    other = copy.deepcopy(model)
    other.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    return other


def through_empty(model: Any) -> Any:
    other = copy.deepcopy(model).to_empty(device="cpu")
    for ours, theirs in zip(other.buffers(), model.buffers(), strict=True):
        ours.copy_(theirs)
    other.load_state_dict(model.state_dict())
    return other


WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "deepcopy twice": lambda model: copy.deepcopy(copy.deepcopy(model)),
    "pickle": through_pickle,
    "torch.save": through_save,
    "state_dict": through_state_dict,
    "state_dict, assigned": through_assignment,
    "double and back": lambda model: model.double().float(),
    "to_empty": through_empty,
}


@pytest.mark.parametrize("way", WAYS)
@EVERY
def test_the_plan_survives(name: str, way: str) -> None:
    model = converted(name)
    expected, groups = logits(model), numbers(model)
    other = WAYS[way](model)
    assert torch.equal(logits(other), expected)
    assert mupfx.plan(other) == mupfx.plan(model)
    found = numbers(other)
    assert {parameter: found[parameter] for parameter in groups} == groups


@EVERY
def test_copies_are_independent(name: str) -> None:
    """A hook of a copy works on the copy, not on what it was copied from."""
    model = converted(name)
    other = copy.deepcopy(model)
    expected = logits(other)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(logits(other), expected)


@EVERY
def test_moving_averages(name: str) -> None:
    model = converted(name)
    average = AveragedModel(model, avg_fn=lambda old, new, _: (old + new) / 2)
    average.update_parameters(model)
    assert mupfx.plan(average) == mupfx.plan(model)
    torch.testing.assert_close(logits(average), logits(model))


@EVERY
def test_functional_call(name: str) -> None:
    """Values from outside go through the same multipliers."""
    model = converted(name)
    values = {key: value.clone() for key, value in model.named_parameters()}
    with torch.no_grad():
        out = functional_call(model, values, (ids(),))
    assert torch.equal(out[0], logits(model))


@EVERY
def test_a_checkpoint_resumes(name: str, tmp_path: Path) -> None:
    """Optimizer state of the converted model goes back into an optimizer made the same way."""
    model = converted(name)
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=1e-2)
    torch.autograd.backward(model(ids())[0].square().mean())
    optimizer.step()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "x")
    saved = torch.load(tmp_path / "x")
    other = converted(name)
    other.load_state_dict(saved["model"])
    resumed = mupfx.optimizer(torch.optim.AdamW, other, lr=1e-2)
    resumed.load_state_dict(saved["optimizer"])
    assert torch.equal(logits(other), logits(model))
    assert mupfx.check_groups(resumed) == ()
    assert [g["lr"] for g in resumed.param_groups] == [g["lr"] for g in optimizer.param_groups]


def test_meta_first_values_later() -> None:
    """Convert without values, draw them as the stock class does, then put them in place."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(7, 46), nn.Tanh(), nn.Linear(46, 46), nn.Linear(46, 13))
        base = nn.Sequential(nn.Linear(7, 23), nn.Tanh(), nn.Linear(23, 23), nn.Linear(23, 13))
    mupfx.convert(model, torch.randn(2, 7, device="meta"), base=base)
    model.to_empty(device="cpu")
    torch.manual_seed(0)
    for module in model:
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    drawn = copy.deepcopy(model.state_dict())
    assert mupfx.rescale_(model) is model
    after = model.state_dict()
    factors = {"0.weight": 1.0, "2.weight": 1.0, "3.weight": 2**-0.5, "2.bias": 2**0.5}
    for name, factor in factors.items():
        torch.testing.assert_close(after[name], drawn[name] * factor)
