"""The head of a package's readme: YAML between two lines of three dashes, or what stands for it."""

import re
from collections.abc import Iterable
from typing import Any

import yaml

from zoo.errors import MalformedCard

FENCE = "---"
LONGEST = 2**18  # characters
MOST_BRACKETS = 1000
MOST_BITS = 1024  # of a whole number; Python writes no decimals of one with some ten thousand
PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*:[ \t]+(\S.*)")
# What the readmes of the Model Zoo state; other words before a colon are prose.
KEYS = frozenset(
    {
        "caffe_commit",
        "caffe_version",
        "caffemodel",
        "caffemodel_url",
        "gist_id",
        "license",
        "name",
        "sha1",
    }
)


class _Loader(yaml.SafeLoader):
    """YAML's plain types without aliases; forty digits are a checksum, never a number."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401  # PyYAML's own signature
        """Refuse aliases, with which a few lines can stand for more than memory holds."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not taken")
        return super().compose_node(parent, index)


_SHA1 = ("tag:yaml.org,2002:str", re.compile(r"[0-9a-fA-F]{40}$"))
_Loader.yaml_implicit_resolvers = {
    first: [_SHA1, *resolvers] for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def read_front_matter(text: str, *, name: str) -> tuple[dict[str, Any], str]:
    """Split a readme into its front matter and its prose; ``name`` is the file's, for errors.

    Keys are texts at every depth, and no text holds half a letter, which nothing could write.

    Raises:
        MalformedCard: the front matter does not end, is not YAML, or is no mapping.
    """
    lines = text.splitlines()
    start = next((index for index, line in enumerate(lines) if line.strip()), 0)
    if not lines or lines[start].rstrip() != FENCE:
        return _leading_pairs(lines), text
    ends = (index for index in range(start + 1, len(lines)) if lines[index].rstrip() == FENCE)
    end = next(ends, None)
    if end is None:
        raise _refuse(name, start + 1, f"a second line {FENCE!r} is missing")
    return _read_yaml(lines[start + 1 : end], name, start + 2), "\n".join(lines[end + 1 :]).strip()


def _leading_pairs(lines: list[str]) -> dict[str, Any]:
    """Read ``key: value`` lines under headings, as readmes without front matter begin."""
    pairs: dict[str, Any] = {}
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        match = PAIR.fullmatch(line.strip())
        if not match or match[1] not in KEYS:
            break
        pairs[match[1]] = match[2]
    return pairs


def _read_yaml(lines: list[str], name: str, first_line: int) -> dict[str, Any]:
    text = "\n".join(lines)
    # The time YAML takes grows with the square of how deep brackets nest.
    if len(text) > LONGEST or text.count("[") + text.count("{") > MOST_BRACKETS:
        raise _refuse(name, first_line, f"it has over {LONGEST} characters or too many brackets")
    try:
        content: Any = _plain(yaml.load(text, _Loader))  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if pairs := _plain_pairs(lines):
            return pairs
        mark = getattr(error, "problem_mark", None)
        line = first_line + (mark.line if mark else 0)
        reason = getattr(error, "problem", None) or "it is not YAML"
        raise _refuse(name, line, str(reason)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _refuse(name, first_line, "it should be lines of 'key: value'")
    return content


def _plain(value: object) -> object:
    """Make keys texts, and write half letters and numbers without end so that they can be told."""
    if isinstance(value, dict):
        return {_text(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one) for one in value]
    is_long = isinstance(value, int) and value.bit_length() > MOST_BITS
    return _text(value) if is_long or isinstance(value, str) else value


def _text(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return f"{value:#x}"
    return str(value).encode(errors="replace").decode()


def _plain_pairs(lines: Iterable[str]) -> dict[str, Any] | None:
    """Read plain ``key: value`` lines whose values hold a colon, which YAML would want quoted."""
    matches = [PAIR.fullmatch(line.rstrip()) for line in lines if line.strip()]
    if all(match and match[2][0].isalnum() for match in matches):
        return {match[1]: match[2] for match in matches if match}
    return None


def _refuse(name: str, line: int, reason: str) -> MalformedCard:
    return MalformedCard(
        f"{name}, line {line}: the front matter cannot be read: {reason}.", file=name, line=line
    )
