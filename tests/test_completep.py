"""CompleteP by mupfx beside an implementation of its own, written from the paper's table.

The other side is a GPT whose forward pass has the paper's multipliers, whose init and groups have
the paper's factors, and no line of mupfx. Where the authors' code and the rules here differ:

- their code has one eps for all weights, ``eps / (m_N m_L)``; the rules follow each weight's own
  gradient, which for embeddings and the last norm has no ``m_L``. Runs with a tiny eps agree with
  the code as it is; with an eps that matters, they agree once those two are without ``m_L``;
- they divide the logits by ``m_N``, which is one gauge with a tied readout's hook here;
- their attention is ``1 / d_head``; here the base's ``1 / sqrt(d_head)`` is kept at the base, so the
  other side has ``sqrt(d_base) / d_head``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import mupfx

VOCABULARY, LENGTH, STEPS = 23, 9, 20
LR, DECAY, STD = 3e-3, 0.1, 0.02
BASE = {"heads": 2, "head_size": 4, "layers": 2}
TARGET = {"heads": 4, "head_size": 8, "layers": 6}
M_N, M_L = 4, 3


@dataclass(frozen=True)
class Multipliers:
    """What the forward pass multiplies by; ones and the base's attention for a plain GPT."""

    branch: float = 1.0
    logits: float = 1.0
    attention: float | None = None


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, heads: int, head_size: int, forward: Multipliers) -> None:
        super().__init__()
        width = heads * head_size
        self.heads, self.head_size, self.multipliers = heads, head_size, forward
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x: Tensor) -> Tensor:
        split = (*x.shape[:-1], self.heads, self.head_size)
        q, k, v = (layer(x).view(split).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=self.multipliers.attention
        )
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return out

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.scaled(self.attend(self.norm_1(x)))
        return x + self.scaled(self.mlp(self.norm_2(x)))

    def mlp(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(functional.gelu(self.up(x)))
        return out

    def scaled(self, branch: Tensor) -> Tensor:
        c = self.multipliers.branch
        return branch if c == 1 else c * branch


class GPT(nn.Module):
    """Tied embedding, learned positions."""

    def __init__(
        self, heads: int, head_size: int, layers: int, multipliers: Multipliers | None = None
    ) -> None:
        super().__init__()
        self.multipliers = multipliers or Multipliers()
        width = heads * head_size
        self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(LENGTH, width)
        blocks = (Block(heads, head_size, self.multipliers) for _ in range(layers))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        self.head.weight = self.tokens.weight
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        if self.multipliers.logits != 1:
            x = x * self.multipliers.logits
        out: Tensor = self.head(x)
        return out


def gpt(sizes: Mapping[str, int], multipliers: Multipliers | None = None) -> GPT:
    torch.manual_seed(0)
    return GPT(**sizes, multipliers=multipliers).double()


@dataclass(frozen=True)
class Table:
    """The paper's Table 1 at alpha 1: factors of ``m_N`` and ``m_L`` by kind of parameter."""

    branch: float = 1 / M_L
    hidden_lr: float = 1 / M_N
    branch_vector_lr: float = 1.0  # m_L^(alpha - 1)
    hidden_decay: float = M_N
    hidden_init: float = M_N**-0.5
    hidden_eps: float = 1 / (M_N * M_L)
    outer_eps: float = 1 / (M_N * M_L)
    logits: float = 1 / M_N
    attention: float = BASE["head_size"] ** 0.5 / TARGET["head_size"]


@dataclass
class Groups:
    """AdamW's groups of the paper: hidden matrices, vectors in branches, and the rest."""

    hidden: list[Tensor] = field(default_factory=list)
    vectors: list[Tensor] = field(default_factory=list)
    embeddings: list[Tensor] = field(default_factory=list)
    last: list[Tensor] = field(default_factory=list)


def sorted_groups(model: GPT) -> Groups:
    found = Groups()
    for name, parameter in model.named_parameters():
        if name.startswith("blocks"):
            (found.hidden if parameter.ndim == 2 else found.vectors).append(parameter)
        else:
            (found.embeddings if parameter.ndim == 2 else found.last).append(parameter)
    return found


def by_hand(table: Table, eps: float) -> tuple[GPT, torch.optim.Optimizer]:
    model = gpt(TARGET, Multipliers(table.branch, table.logits, table.attention))
    groups = sorted_groups(model)
    with torch.no_grad():
        for weight in groups.hidden:
            weight.mul_(table.hidden_init)
    optimizer = torch.optim.AdamW(
        [
            {
                "params": groups.hidden,
                "lr": LR * table.hidden_lr,
                "weight_decay": DECAY * table.hidden_decay,
                "eps": eps * table.hidden_eps,
            },
            {
                "params": groups.vectors,
                "lr": LR * table.branch_vector_lr,
                "weight_decay": 0.0,
                "eps": eps * table.hidden_eps,
            },
            {"params": groups.embeddings, "eps": eps * table.outer_eps},
            {"params": groups.last, "weight_decay": 0.0, "eps": eps * table.outer_eps},
        ],
        lr=LR,
        weight_decay=DECAY,
    )
    return model, optimizer


def by_mupfx(eps: float) -> tuple[GPT, torch.optim.Optimizer]:
    model = gpt(TARGET)
    tokens = torch.zeros(1, LENGTH, dtype=torch.long)
    mupfx.convert(model, tokens, base=gpt(BASE), parametrization="completep")
    groups = sorted_groups(model)
    given = [
        {"params": groups.hidden + groups.embeddings},
        {"params": groups.vectors + groups.last, "weight_decay": 0.0},
    ]
    optimizer = mupfx.optimizer(
        torch.optim.AdamW, model, groups=given, lr=LR, weight_decay=DECAY, eps=eps
    )
    return model, optimizer


def trained(made: tuple[GPT, torch.optim.Optimizer]) -> Tensor:
    """Losses of every step, and the logits at the end."""
    model, optimizer = made
    batches = torch.Generator().manual_seed(1)
    losses, logits = [], torch.zeros(0)
    for _ in range(STEPS):
        tokens = torch.randint(VOCABULARY, (4, LENGTH), generator=batches)
        logits = model(tokens[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.detach())
    return torch.cat([torch.stack(losses), logits.detach().flatten()])


def difference(table: Table, eps: float, run: Callable[[float], Tensor]) -> float:
    mine, other = run(eps), trained(by_hand(table, eps))
    return float((mine - other).norm() / other.norm())


@pytest.fixture(scope="module")
def run() -> Callable[[float], Tensor]:
    seen: dict[float, Tensor] = {}

    def result(eps: float) -> Tensor:
        if eps not in seen:
            seen[eps] = trained(by_mupfx(eps))
        return seen[eps]

    return result


TINY, LARGE = 1e-30, 1e-3


def test_as_the_papers_table(run: Callable[[float], Tensor]) -> None:
    assert difference(Table(), TINY, run) < 1e-11


def test_eps_follows_each_weights_own_gradient(run: Callable[[float], Tensor]) -> None:
    own = Table(outer_eps=1 / M_N)
    assert difference(own, LARGE, run) < 1e-11
    assert difference(Table(), LARGE, run) > 1e-5


@pytest.mark.parametrize(
    "wrong",
    [
        Table(branch=M_L**-0.5),
        Table(hidden_lr=1.0),
        Table(branch_vector_lr=1 / M_L),
        Table(hidden_decay=1.0),
        Table(hidden_init=1.0),
        Table(logits=1.0),
        Table(attention=TARGET["head_size"] ** -0.5),
    ],
    ids=["branch", "lr", "vectors", "decay", "init", "logits", "attention"],
)
def test_one_wrong_number_shows(wrong: Table, run: Callable[[float], Tensor]) -> None:
    assert difference(wrong, TINY, run) > 1e-5


@pytest.mark.parametrize("wrong", [Table(hidden_eps=1 / M_N, outer_eps=1 / M_N)], ids=["eps"])
def test_a_wrong_eps_shows(wrong: Table, run: Callable[[float], Tensor]) -> None:
    assert difference(wrong, LARGE, run) > 1e-5
