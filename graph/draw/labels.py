"""Names as a textbook sets them: italic, with sub- and superscripts, Greek letters as letters."""

from __future__ import annotations

import html
import re
from math import ceil

from ..latex import GREEK
from . import style

# The widths of the characters from the space to the tilde in DejaVu Serif, in hundredths of the size; Times, which
# browsers have, is narrower, so that what has room for these has room for both.
_WIDTHS = (
    *(32, 40, 46, 84, 64, 95, 89, 27, 39, 39, 50, 84, 32, 34, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64),
    *(64, 64, 34, 34, 84, 84, 84, 54, 100, 72, 73, 77, 80, 73, 69, 80, 87, 40, 40, 75, 66, 102, 88, 82),
    *(67, 82, 75, 69, 67, 84, 72, 103, 71, 66, 69, 39, 34, 39, 84, 50, 50, 60, 64, 56, 64, 59, 37, 64),
    *(64, 32, 31, 61, 32, 95, 64, 60, 64, 64, 48, 51, 40, 64, 56, 86, 56, 56, 53, 64, 34, 64, 84),
)
_WIDE = {"‖": 50, "∂": 60, "\u00a0": 32, "…": 100, "⊤": 94, "×": 84, "−": 84, "÷": 84, "≥": 84, "≤": 84, "≠": 84}
_SPACE, _ROOM = "\u00a0", 16  # points beside a widened label
_LETTER = 66  # others: Greek

LETTERS = {name: letter for letter, name in GREEK.items()}


def split_name(name: str) -> tuple[str, str]:
    """Base and subscript of a name: "W_f" is (W, f), "h2" is (h, 2), "h1_f" is (h, "1,f")."""
    base, _, rest = name.partition("_")
    parts = [part for part in rest.split("_") if part]
    digits = re.fullmatch(r"(\D+?)(\d+)(\D*)", base)
    if digits and digits[1] not in ("", "_"):
        base, parts = digits[1] + digits[3], [digits[2], *parts]
    if not base:
        return name, ""
    return _greek(base), ",".join(_greek(part) for part in parts)


def _greek(word: str) -> str:
    mark = word[:1] if word[:1] == "δ" else ""
    return mark + LETTERS.get(word[len(mark) :], word[len(mark) :])


def _script(tag: str, text: str) -> str:
    return f'<{tag}><FONT POINT-SIZE="{style.SCRIPT_SIZE}">{text}</FONT></{tag}>'


def _italic(text: str) -> str:
    return f"<I>{html.escape(text)}</I>"


def step(t: int | str) -> str:
    """A step as it stands in a superscript, with a true minus sign."""
    return str(t).replace("-", "−")


def name(of: str, t: int | str | None = None) -> str:
    """A signal or parameter, at step ``t`` if it is given, as an HTML-like label."""
    plain_name, bracket, inside = of.partition("[")
    if bracket and t is None:
        t = inside.rstrip("]")
    base, sub = split_name(plain_name)
    text = _italic(base)
    if sub:
        text += _script("SUB", _italic(sub))
    if t is not None:
        text += _script("SUP", f"({step(t)})")
    return f"<{text}>"


def on_edge(of: str) -> str:
    """A parameter beside its edge; the spaces keep it off the line."""
    return f"<&nbsp;{name(of)[1:-1]}&nbsp;>"


def transposed(label: str) -> str:
    """The label of an edge, for the gradient that runs back along it."""
    return label.removesuffix("&nbsp;>") + _script("SUP", "⊤") + "&nbsp;>"


def plain(label: str) -> str:
    """The characters of a label without its markup."""
    return html.unescape(re.sub(r"<[^>]*>", "", label[1:-1])) if label.startswith("<") else label


def width(label: str, size: float = style.NODE_SIZE) -> float:
    """The width of a label in points where it is widest, in DejaVu Serif; scripts are smaller than the rest."""
    scripts = "".join(re.findall(r"<SU[BP]><FONT[^>]*>(.*?)</FONT>", label))
    small = sum(map(_advance, html.unescape(re.sub(r"<[^>]*>", "", scripts))))
    return (size * (sum(map(_advance, plain(label))) - small) + style.SCRIPT_SIZE * small) / 100


def widened(label: str) -> str:
    """A label with as much space after it again, and a little more."""
    if not label:
        return label
    space = width(_SPACE, style.EDGE_SIZE)
    return label[:-1] + "&nbsp;" * ceil((width(label, style.EDGE_SIZE) + _ROOM) / space) + ">"


def _advance(character: str) -> int:
    code = ord(character) - 32
    return _WIDTHS[code] if 0 <= code < len(_WIDTHS) else _WIDE.get(character, _LETTER)


def vertex_size(label: str, role: str) -> tuple[float, float] | None:
    """Inches that hold the label where the role's own size (None) does not."""
    look = style.role_look(role)
    across, high = float(look["width"]), float(look["height"])
    size = float(look["fontsize"])
    need = (width(label, size) + (10 if look["shape"] == "box" else 7)) / 72
    return None if need <= across else (need, need if look["shape"] == "circle" else high)
