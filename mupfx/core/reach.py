"""What comes before a node, and after it."""

from collections.abc import Container, Iterable

from torch import fx


def behind(nodes: Iterable[fx.Node], until: Container[str] = ()) -> set[fx.Node]:
    """Nodes and all that they are made of, up to nodes of these names."""
    found: set[fx.Node] = set()
    queue = list(nodes)
    while queue:
        node = queue.pop()
        if node not in found:
            found.add(node)
            queue += () if node.name in until else node.all_input_nodes
    return found


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
