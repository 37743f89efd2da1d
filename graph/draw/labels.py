"""Names as a textbook sets them: italic, with sub- and superscripts, Greek letters as letters."""

from __future__ import annotations

import html
import re

from ..latex import GREEK
from . import style

_EM = 0.55  # the width of a letter, a compromise between Times and DejaVu Serif

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
    """About the width of a label in points; scripts are smaller than the rest."""
    scripts = "".join(re.findall(r"<SU[BP]><FONT[^>]*>(.*?)</FONT>", label))
    small = len(html.unescape(re.sub(r"<[^>]*>", "", scripts)))
    return _EM * size * (len(plain(label)) - small) + _EM * style.SCRIPT_SIZE * small


def vertex_size(label: str, role: str) -> tuple[float, float] | None:
    """Inches that hold the label where the role's own size (None) does not."""
    look = style.role_look(role)
    across, high = float(look["width"]), float(look["height"])
    size = float(look["fontsize"])
    need = (width(label, size) * (1.2 if look["shape"] == "box" else 1.0) + 7) / 72
    return None if need <= across else (need, high)
