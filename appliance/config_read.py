"""YAML text into plain values with the line and column of every key and value.

Rules kept here:
1. Every finding of a file is collected: duplicate keys, odd keys, aliases and tags do not hide one another.
   Broken syntax is the exception: what follows it cannot be read.
2. YAML 1.2: `no` and `yes` are strings, not booleans.
3. Aliases are refused, so that a small file cannot unfold into a large value.

It knows nothing of which keys exist.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from appliance.records.file_fault import FileFault, Mark

_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + kind for kind in ("null", "bool", "int", "float", "str", "timestamp", "map", "seq")}
_MAX_DEPTH = 20


@dataclass
class Tree:
    """What a file says: plain values (sequences as tuples) and the marks of values and of keys, by path."""

    value: dict[str, Any] = field(default_factory=dict)
    marks: dict[tuple[str, ...], Mark] = field(default_factory=dict)
    key_marks: dict[tuple[str, ...], Mark] = field(default_factory=dict)
    findings: list[FileFault] = field(default_factory=list)
    broken: bool = False  # the syntax could not be read: absent keys mean nothing

    def nearest(self, path: tuple[str, ...]) -> Mark:
        """The mark of the closest enclosing thing that the file does state."""
        for end in range(len(path), -1, -1):
            if mark := self.marks.get(path[:end]):
                return mark
        return Mark()


def parse_yaml(raw: bytes) -> Tree:
    """Reads one document whose top is a mapping. Never raises for what the bytes say: see `findings`."""
    tree = Tree()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return _stop(tree, Mark(line, error.start - raw.rfind(b"\n", 0, error.start)), "is not UTF-8 text")
    try:
        root = YAML(typ="rt").compose(io.StringIO(text))
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(at.line + 1, at.column + 1) if at else Mark()
        problem = " ".join(str(error.problem or "cannot be read").split())
        context = f" ({' '.join(str(error.context).split())})" if error.context else ""
        return _stop(tree, mark, f"not YAML: {problem}{context}{_syntax_hint(text, mark)}")
    except ReaderError as error:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, error.position - before.rfind("\n"))
        return _stop(tree, mark, f"not YAML: the character U+{ord(text[error.position]):04X} is not allowed")
    except (YAMLError, RecursionError, ValueError) as error:
        return _stop(tree, Mark(), f"not YAML: {type(error).__name__}")
    if root is None:
        return tree
    if not isinstance(root, MappingNode):
        return _stop(tree, _mark(root), "must be a mapping of keys to values")
    tree.marks[()] = _mark(root)
    value = _plain(root, (), tree, set())
    tree.value = value if isinstance(value, dict) else {}
    return tree


def _stop(tree: Tree, mark: Mark, message: str) -> Tree:
    tree.findings.append(FileFault(mark, "", message))
    tree.broken = True
    return tree


def _syntax_hint(text: str, mark: Mark) -> str:
    lines = text.splitlines()
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    return "; YAML is indented with spaces, not tabs" if "\t" in line else ""


def _mark(node: Any) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _plain(node: Any, path: tuple[str, ...], tree: Tree, seen: set[int]) -> Any:
    def complain(message: str, at: Any = node) -> None:
        tree.findings.append(FileFault(_mark(at), ".".join(path), message))

    if id(node) in seen:
        complain("aliases (*name) are not allowed; write the value out")
        return None
    seen.add(id(node))
    tag = str(node.tag)
    if tag not in _TAGS:
        complain(f"the tag {tag} is not allowed")
        return None
    if len(path) > _MAX_DEPTH:
        complain("is nested too deeply")
        return None
    if isinstance(node, ScalarNode):
        try:
            return _scalar(tag.removeprefix(_TAG), str(node.value))
        except ValueError:
            complain("cannot be read as a value of its type")
            return None
    if isinstance(node, SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            here = (*path, str(index))
            tree.marks[here] = _mark(item)
            items.append(_plain(item, here, tree, seen))
        return tuple(items)
    if not isinstance(node, MappingNode):
        complain("is neither a value, a list nor a mapping")
        return None
    found: dict[str, Any] = {}
    for key, item in node.value:
        if not isinstance(key, ScalarNode):
            complain("a key must be plain text", key)
            continue
        name = str(key.value)
        here = (*path, name)
        if name in found:
            first = tree.key_marks[here]
            dotted = ".".join(here)
            tree.findings.append(FileFault(_mark(key), dotted, f"is stated twice, first in line {first.line}"))
            continue
        if name == "<<":
            complain("merge keys (<<) are not allowed; write the values out", key)
            continue
        tree.key_marks[here] = _mark(key)
        tree.marks[here] = _mark(item)
        found[name] = _plain(item, here, tree, seen)
    return found


def _scalar(kind: str, text: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        digits = text.replace("_", "")
        try:
            return int(digits, 0)
        except ValueError:
            return int(digits, 10)  # YAML 1.2 reads 010 as ten
    if kind == "float":
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
