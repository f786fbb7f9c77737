"""What comes after a node."""

from collections.abc import Container

from torch import fx


def is_last(node: fx.Node, layers: Container[str]) -> bool:
    """Whether what a node makes reaches the output, and none of ``layers`` contracts it before."""
    seen = {node}
    queue = [node]
    while queue:
        for user in queue.pop().users:
            if user.name in layers:
                return False
            if user not in seen:
                seen.add(user)
                queue.append(user)
    return any(n.op == "output" for n in seen)
