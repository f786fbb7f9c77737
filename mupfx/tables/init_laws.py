"""Known laws of initialisation, as rows: name, shape, size it depends on, ``std * sqrt(size)``.

``surprise`` is 0 for what libraries do by default, 3.5 (a thirtieth as common) for the rest, and
10.5 for what would explain anything. Laws of ``fan_in`` and ``fan_out`` hold in both readings, of
the graph and of the stored shape: ``torch.nn.init`` reads a transposed weight backwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf, sqrt

from torch import nn
from torch.nn.modules.conv import _ConvNd

from mupfx.core.init_law import Distribution, Fan, Law

RARE = 3.5
LAST_RESORT = 10.5

_N, _U, _T = Distribution.NORMAL, Distribution.UNIFORM, Distribution.TRUNCATED
_T3 = Distribution.TRUNCATED_3
_IN, _OUT, _MEAN = Fan.FAN_IN, Fan.FAN_OUT, Fan.MEAN
_THIRD = sqrt(1 / 3)

MATRIX_LAWS: tuple[Law, ...] = (
    Law("torch_linear", _U, _IN, _THIRD, source="nn.Linear: bound 1/sqrt(fan_in)", residual=True),
    Law("lecun_normal", _N, _IN, 1.0, source="LeCun et al. 1998, section 4.6; T5", residual=True),
    Law("fan_out_normal", _N, _OUT, 1.0, source="embedding_dim**-0.5; CLIP", residual=True),
    Law("xavier_uniform", _U, _MEAN, 1.0, source="Glorot and Bengio 2010, eq. 16"),
    Law("xavier_normal", _N, _MEAN, 1.0, source="Glorot and Bengio 2010, eq. 12"),
    Law("kaiming_uniform", _U, _IN, sqrt(2), source="He et al. 2015 (arXiv:1502.01852), eq. 10"),
    Law("kaiming_normal", _N, _IN, sqrt(2), source="He et al. 2015 (arXiv:1502.01852), eq. 10"),
    Law("kaiming_normal_fan_out", _N, _OUT, sqrt(2), source="He et al. 2015, eq. 14; ResNet"),
    Law("kaiming_uniform_fan_out", _U, _OUT, sqrt(2), source="He et al. 2015, eq. 14"),
    Law("lecun_uniform", _U, _IN, 1.0, source="LeCun et al. 1998, section 4.6"),
    Law("lecun_truncated", _T, _IN, 1.0, source="variance_scaling of JAX and TensorFlow"),
    Law("lecun_truncated_3", _T3, _IN, 0.98658, source="trunc_normal_(std=dim**-0.5, cut at 3)"),
    Law("lecun_truncated_plain", _T, _IN, 0.87963, RARE, source="cut at 2 std, std not corrected"),
    Law("kaiming_truncated", _T, _IN, sqrt(2), source="variance_scaling(2.0) of TensorFlow"),
    Law("kaiming_truncated_fan_out", _T, _OUT, sqrt(2), source="EfficientNet in TensorFlow"),
    Law("fan_out_uniform", _U, _OUT, _THIRD, source="EfficientNet's classifier: 1/sqrt(fan_out)"),
    Law("selu_normal", _N, _IN, 0.75, RARE, source="nn.init gain of SELU"),
    Law("tanh_normal", _N, _IN, 5 / 3, RARE, source="nn.init gain of tanh"),
    Law("tanh_xavier_uniform", _U, _MEAN, 5 / 3, RARE, source="nn.init gain of tanh"),
    Law("relu_xavier_uniform", _U, _MEAN, sqrt(2), RARE, source="xavier_uniform_(gain=sqrt(2))"),
    Law("qkv_xavier_uniform", _U, _MEAN, sqrt(1 / 2), RARE, source="fairseq: gain 1/sqrt(2)"),
    Law("leaky_normal", _N, _IN, sqrt(2 / 1.04), RARE, source="leaky ReLU of slope 0.2"),
    Law("small_init", _N, _IN, sqrt(2 / 5), RARE, source="Nguyen and Salazar 2019"),
    Law("third_normal", _N, _IN, _THIRD, RARE, source="std of torch_linear, drawn normal"),
    Law("inverse_root_two", _N, _IN, sqrt(1 / 2), RARE, source="CLIP's MLP: (2 fan_in)**-0.5"),
    Law("half_normal", _N, _IN, 0.5, RARE, source="0.5/sqrt(fan_in)"),
    Law("half_uniform", _U, _IN, 0.5, RARE, source="0.5/sqrt(fan_in)"),
    Law("twice_normal", _N, _IN, 2.0, RARE, source="wav2vec 2.0's positional convolution"),
    Law("siren", _U, _IN, sqrt(2) / 30, RARE, source="SIREN (arXiv:2006.09661): omega 30"),
    Law("siren_first", _U, _IN, _THIRD, RARE, Fraction(-1), "SIREN: bound 1/fan_in"),
    Law("inverse_fan_in", _N, _IN, 1.0, RARE, Fraction(-1), "std 1/fan_in"),
    Law("spectral", _N, Fan.SPECTRAL, 1.0, RARE, source="arXiv:2310.17813, Parametrization 1"),
    Law("head_normal", _N, Fan.FAN_IN_HEAD, 1.0, RARE, source="T5's query: 1/sqrt(fan_in d_kv)"),
)
"""Laws of tensors that something is contracted with."""

VECTOR_LAWS: tuple[Law, ...] = (
    Law("torch_bias", _U, Fan.COMPANION, _THIRD, source="nn.Linear, nn.Conv: as their weight"),
    Law("width_normal", _N, _OUT, 1.0, source="CLIP's class embedding: dim**-0.5"),
)
"""Laws of tensors that nothing is contracted with."""

OWNED_LAWS: tuple[Law, ...] = (
    Law("torch_rnn", _U, Fan.ROWS, _THIRD, source="nn.RNN: bound 1/sqrt(hidden_size)"),
    Law("torch_gru", _U, Fan.ROWS, 1.0, source="nn.GRU: bound 1/sqrt(hidden_size), 3 gates"),
    Law("torch_lstm", _U, Fan.ROWS, sqrt(4 / 3), source="nn.LSTM: the same, 4 gates"),
    Law("torch_bilinear", _U, Fan.SECOND, _THIRD, source="nn.Bilinear: bound 1/sqrt(in1_features)"),
    Law(
        "torch_bilinear_bias", _U, Fan.COMPANION_SECOND, _THIRD, source="nn.Bilinear: as its weight"
    ),
    Law("torch_embedding", _N, Fan.ONE, 1.0, source="nn.Embedding: normal_(0, 1)"),
)
"""Laws that only parameters of the modules below are compared with."""

ORTHOGONAL = Law("orthogonal", Distribution.ORTHOGONAL, Fan.LARGEST, source="Saxe et al. 2014")

DOCUMENTED: Mapping[type[nn.Module], tuple[str, ...]] = {
    nn.Linear: ("torch_linear", "torch_bias"),
    _ConvNd: ("torch_linear", "torch_bias"),
    nn.RNNBase: ("torch_rnn", "torch_gru", "torch_lstm"),
    nn.RNNCellBase: ("torch_rnn", "torch_gru", "torch_lstm"),
    nn.Bilinear: ("torch_bilinear", "torch_bilinear_bias"),
    nn.MultiheadAttention: ("xavier_uniform", "xavier_normal"),
    nn.Embedding: ("torch_embedding",),
    nn.EmbeddingBag: ("torch_embedding",),
}
"""What a module's own ``reset_parameters`` draws, by law name."""

STORED: Mapping[Fan, Fan] = {
    Fan.FAN_IN: Fan.STORED_IN,
    Fan.FAN_OUT: Fan.STORED_OUT,
    Fan.MEAN: Fan.STORED_MEAN,
    Fan.COMPANION: Fan.STORED_COMPANION,
}
"""The other reading of a size."""

ROUND: Mapping[int, float] = {
    **dict.fromkeys((10, 20, 50), 0.0),
    **dict.fromkeys((15, 25, 30, 40, 60, 70, 80, 90), RARE),
}
"""Surprise of a std or bound that is the same at every width, by its first two digits."""

USUAL_STDS = (0.02, 0.01, 0.006)
"""Stds met in any shape, and over the square root of the number of residual layers, as in GPT-2."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What can be seen of a distribution whatever its std."""

    kurtosis: float
    spread: float
    """Std of the sample kurtosis, times the square root of the sample's size."""
    edge: float
    """Largest value over std."""
    nominal: float
    """Std over the number that people write: the bound, or the std before cutting."""


SHAPES: Mapping[Distribution, Shape] = {
    Distribution.NORMAL: Shape(3.0, 4.9, inf, 1.0),
    Distribution.TRUNCATED: Shape(2.36554, 2.0, 2.273694, 0.8796257),
    Distribution.TRUNCATED_3: Shape(2.82889, 3.3, 3.040813, 0.9865784),
    Distribution.UNIFORM: Shape(1.8, 1.15, sqrt(3), _THIRD),
}
