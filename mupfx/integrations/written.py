"""A call as it is written in a target: ``LlamaForCausalLM(hidden_size=64, rope={'theta': 1e4})``.

Nothing in it is run: values are literals, and ``dict(a=1)`` is the dictionary.
"""

import ast
from typing import Any

from mupfx.errors import TargetError

_FORM = "NAME(field=value, ...) with literal values"


def written(text: str) -> tuple[str, dict[str, Any]]:
    """The name that is called and its keywords.

    >>> written("vit_tiny_patch16_224(num_classes=10, sizes=dict(width=64))")
    ('vit_tiny_patch16_224', {'num_classes': 10, 'sizes': {'width': 64}})
    >>> written("resnet50.a1_in1k")
    ('resnet50.a1_in1k', {})

    Raises:
        TargetError: It is no such call.
    """
    name, bracket, rest = text.partition("(")
    if not bracket:
        return text.strip(), {}
    try:
        (statement,) = ast.parse(f"_({rest}").body
        assert isinstance(statement, ast.Expr)
        return name.strip(), _keywords(statement.value)
    except (SyntaxError, ValueError, AssertionError) as error:
        raise TargetError(f"`{text}` cannot be read", expected=_FORM, found=str(error)) from error


def _keywords(call: ast.expr) -> dict[str, Any]:
    if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name):
        raise ValueError("a value without a name")
    found = {keyword.arg: _value(keyword.value) for keyword in call.keywords}
    if None in found:
        raise ValueError("**, which has no names")
    return {str(name): value for name, value in found.items()}


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return _keywords(node)
    return ast.literal_eval(node)
