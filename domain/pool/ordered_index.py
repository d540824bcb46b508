"""An ordered map kept as small records: a B+ tree, so that finding, adding and removing touch a handful of nodes.

Keys are strings in code-point order, values integers. Nodes hold at most ``WIDTH`` keys; removal drops empty nodes and does not
merge thin ones, so the height follows the largest size the index has had: three levels for 30,000 keys, four for a million.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from .state import IndexNode
from .view import Work

__all__ = ["WIDTH", "OrderedIndex"]

WIDTH = 32


class OrderedIndex:
    """The index ``name`` of a pool. Its root is the record with that id; other nodes are ``name`` and a number."""

    def __init__(self, work: Work, name: str) -> None:
        self._work = work
        self._name = name

    def set(self, key: str, value: int = 0) -> None:
        """Add a key, or give it another value."""
        path = self._path(key)
        _, leaf = path[-1]
        i = bisect_left(leaf.keys, key)
        if i < len(leaf.keys) and leaf.keys[i] == key:
            leaf.values[i] = value
        else:
            leaf.keys.insert(i, key)
            leaf.values.insert(i, value)
        self._save(path[-1])
        if len(leaf.keys) > WIDTH:
            self._split(path)

    def remove(self, key: str) -> None:
        """Remove a key; one that is not there is no error."""
        path = self._path(key)
        _, leaf = path[-1]
        i = bisect_left(leaf.keys, key)
        if i == len(leaf.keys) or leaf.keys[i] != key:
            return
        del leaf.keys[i], leaf.values[i]
        self._save(path[-1])
        self._prune(path)

    def after(self, key: str = "") -> tuple[str, int] | None:
        """The first key greater than ``key``, with its value."""
        if self._work.get(IndexNode, self._name) is None:
            return None
        path = self._path(key)
        _, leaf = path[-1]
        i = bisect_right(leaf.keys, key)
        if i < len(leaf.keys):
            return leaf.keys[i], leaf.values[i]
        for (_, parent), (child, _) in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
            at = parent.children.index(child) + 1
            if at < len(parent.children):
                return self._first(parent.children[at])
        return None

    def _first(self, id: str) -> tuple[str, int]:
        node = self._node(id)
        while node.children:
            node = self._node(node.children[0])
        return node.keys[0], node.values[0]

    def _node(self, id: str) -> IndexNode:
        node = self._work.get(IndexNode, id)
        if node is None:
            node = IndexNode()
        return node

    def _path(self, key: str) -> list[tuple[str, IndexNode]]:
        """The nodes from the root to the leaf where the key belongs."""
        id = self._name
        path = [(id, self._node(id))]
        while (node := path[-1][1]).children:
            id = node.children[max(bisect_right(node.keys, key) - 1, 0)]
            path.append((id, self._node(id)))
        return path

    def _save(self, place: tuple[str, IndexNode]) -> None:
        self._work.put(*place)

    def _new_id(self) -> str:
        root = self._node(self._name)
        root.serial += 1
        self._work.put(self._name, root)
        return f"{self._name}\x1f{root.serial}"

    def _split(self, path: list[tuple[str, IndexNode]]) -> None:
        id, node = path.pop()
        if not path:  # the root keeps its id: its content moves one level down
            below = IndexNode(node.keys, node.values, node.children)
            child = self._new_id()
            node.keys, node.values, node.children = [below.keys[0]], [], [child]
            path, id, node = [(id, node)], child, below
        half = len(node.keys) // 2
        right = IndexNode(node.keys[half:], node.values[half:], node.children[half:])
        del node.keys[half:], node.values[half:], node.children[half:]
        right_id = self._new_id()
        _, parent = path[-1]
        at = parent.children.index(id) + 1
        parent.keys.insert(at, right.keys[0])
        parent.children.insert(at, right_id)
        for place in ((id, node), (right_id, right), path[-1]):
            self._save(place)
        if len(parent.keys) > WIDTH:
            self._split(path)

    def _prune(self, path: list[tuple[str, IndexNode]]) -> None:
        """Drop nodes that became empty; a root left with one child takes that child's content."""
        while len(path) > 1 and not path[-1][1].keys:
            id, _ = path.pop()
            _, parent = path[-1]
            at = parent.children.index(id)
            del parent.keys[at], parent.children[at]
            self._work.drop(IndexNode, id)
            self._save(path[-1])
        root = path[0][1]
        while len(root.children) == 1:
            id = root.children[0]
            only = self._node(id)
            root.keys, root.values, root.children = only.keys, only.values, only.children
            self._work.drop(IndexNode, id)
            self._save(path[0])
        if not root.keys:
            self._work.drop(IndexNode, self._name)
