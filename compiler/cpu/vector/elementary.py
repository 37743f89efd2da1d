"""exp, log, tanh and their kin on vectors, as instructions.

Every lane goes one way, whatever is in it, and what does not hold for it is replaced by a choice. Bounds are compared
so that NaN passes them, and no number becomes an integer by a conversion, which NaN must not go through.

Tried and left, in float32 with AVX-512: division by a step of Newton's from the reciprocal's 14 bits (tanh 0.27 ns an
element, 0.26 by division, in turn in one process).
"""

from __future__ import annotations

import math

from .emit import Emit, Value

#: ln 2 in two parts, of which the first times a whole number of the exponent's size is exact
LN2 = {32: (0.693359375, -2.12194440e-4), 64: (6.93147180369123816490e-01, 1.90821492927058770002e-10)}
#: (exp(r) - 1 - r) / r**2 for abs(r) <= 0.3467, the least maximal error: 7.5e-9 and 1.2e-17 of exp(r)
EXP = {
    32: (1.3941151834503420e-3, 8.3631970665177904e-3, 4.1666374823148357e-2, 1.6666576876917400e-1,
         5.0000000269934112e-1),
    64: (2.5110078460179342e-08, 2.7620122634725117e-07, 2.7557242260734615e-06, 2.4801521223774168e-05,
         1.9841269886658344e-04, 1.3888888917260428e-03, 8.3333333333221852e-03, 4.1666666666624034e-02,
         1.6666666666666675e-01, 5.0000000000000010e-01),
}  # fmt: skip
#: below the first exp is 0, above the second infinite
EXP_RANGE = {32: (-104.0, 89.0), 64: (-745.2, 709.8)}
#: beyond it tanh is 1
TANH_RANGE = {32: 10.0, 64: 22.0}
#: (log(1 + f) - log(1 - f)) / f = 2 + s * (…) with s = f**2, for 1 + f from sqrt(1/2) to sqrt(2): fdlibm's
LOG = {
    32: (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693),
    64: (1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
         2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01),
}  # fmt: skip
LOG_LN2 = {32: (6.9313812256e-01, 9.0580006145e-06), 64: LN2[64]}
SMALLEST_NORMAL = {32: 2.0**-126, 64: 2.0**-1022}


def _reduced(e: Emit, x: Value, unit: float = 1.0) -> tuple[Value, Value, Value, Value]:
    """exp(x / unit) = 1 + p / unit times 2**n, p = r + r**2 q: r, q, and n as a number and as words; unit 1 or 1/2."""
    n, whole = e.nearest(x, math.log2(math.e) / unit)
    high, low = LN2[e.bits]
    r = e.fma(n, -low * unit, e.fma(n, -high * unit, x))
    powers = range(len(EXP[e.bits]), 0, -1)
    return r, e.polynomial(r, [c / unit**k for c, k in zip(EXP[e.bits], powers, strict=True)]), n, whole


def exp(e: Emit, x: Value) -> Value:
    return _exp_of_at_most(e, e.at_most(x, EXP_RANGE[e.bits][1]))


def _exp_of_at_most(e: Emit, x: Value) -> Value:
    """Where x is not above the range."""
    r, q, n, whole = _reduced(e, e.at_least(x, EXP_RANGE[e.bits][0]))
    if e.single:
        return e.scale(e.add(e.fma(e.mul(r, r), q, r), 1.0), n, whole)
    near = e.add(r, 1.0)
    lost = e.sub(r, e.sub(near, 1.0))
    return e.scale(e.add(near, e.fma(e.mul(r, r), q, lost)), n, whole)


def tanh(e: Emit, x: Value) -> Value:
    # from m = (exp(2 abs(x)) - 1) / 2 as m / (m + 1), which is exact near 0 and never loses digits
    size = e.at_most(e.abs(x), TANH_RANGE[e.bits])
    r, q, _, whole = _reduced(e, size, 0.5)
    scale = e.power_of_two(whole)
    less = e.fma(scale, 0.5, -0.5)
    if e.single:
        m = e.fma(e.fma(e.mul(r, r), q, r), scale, less)
    else:
        near = e.fma(r, scale, less)
        lost = e.fma(r, scale, e.sub(less, near))
        m = e.add(near, e.fma(e.mul(e.mul(r, r), scale), q, lost))
    return e.call("copysign", _part(e, m, m, 1.0), x)


def _part(e: Emit, x: Value, y: Value, z: float) -> Value:
    """x / (y + z) for y that is not negative."""
    total = e.add(y, z)
    return e.div(x, total) if e.single else e.ratio(x, total, e.sub(y, e.sub(total, z)))


def sigmoid(e: Emit, x: Value) -> Value:
    # exp only of what is not positive: no overflow, and all digits in the negative tail
    small = _exp_of_at_most(e, e.neg(e.abs(x)))
    return _part(e, e.where(e.compare(">=", x, 0.0), 1.0, small), small, 1.0)


def _split(e: Emit, x: Value) -> tuple[Value, Value]:
    """A normal positive x = m * 2**k with m from sqrt(1/2) to sqrt(2): m, and k as a number."""
    root = e.as_words(e.number_of(math.sqrt(0.5)))
    moved = e.builder.sub(e.as_words(x), root)
    k = e.builder.ashr(moved, e.word_of(e.fraction))
    m = e.builder.add(e.builder.and_(moved, e.word_of((1 << e.fraction) - 1)), root)
    # a whole number becomes one of the type without a conversion: AVX2 has none of 64 bits
    magic = e.number_of(e.magic)
    return e.as_numbers(m), e.sub(e.as_numbers(e.builder.add(k, e.as_words(magic))), magic)


def _log_of_parts(e: Emit, f: Value, k: Value, rest: Value | None = None) -> Value:
    """log(1 + f) + k log(2) + rest."""
    s = e.div(f, e.add(f, 2.0))
    z = e.mul(s, s)
    half = e.mul(e.mul(f, f), 0.5)
    tail = e.mul(s, e.add(e.mul(z, e.polynomial(z, LOG[e.bits])), half))
    high, low = LOG_LN2[e.bits]
    small = e.mul(k, low) if rest is None else e.fma(k, low, rest)
    return e.fma(k, high, e.add(e.sub(e.add(tail, small), half), f))


def log(e: Emit, x: Value) -> Value:
    subnormal = e.compare("<", x, SMALLEST_NORMAL[e.bits])
    shift = float(e.fraction + 2)
    m, k = _split(e, e.where(subnormal, e.mul(x, 2.0**shift), x))
    k = e.where(subnormal, e.sub(k, shift), k)
    found = _log_of_parts(e, e.sub(m, 1.0), k)
    found = e.where(e.compare("<", x, math.inf), found, x)  # infinity and NaN
    found = e.where(e.compare("<", x, 0.0), math.nan, found)
    return e.where(e.compare("==", x, 0.0), -math.inf, found)


def log1p(e: Emit, x: Value) -> Value:
    u = e.add(x, 1.0)
    m, k = _split(e, u)
    near = e.compare("==", k, 0.0)
    # what the addition of 1 lost; near 1 nothing is, as x itself is taken
    lost = e.where(e.compare(">=", u, 2.0), e.sub(1.0, e.sub(u, x)), e.sub(x, e.sub(u, 1.0)))
    found = _log_of_parts(e, e.where(near, x, e.sub(m, 1.0)), k, e.where(near, 0.0, e.div(lost, u)))
    found = e.where(e.compare("<", x, math.inf), found, x)
    found = e.where(e.compare("<", x, -1.0), math.nan, found)
    found = e.where(e.compare("==", x, -1.0), -math.inf, found)
    return e.where(e.compare("<", e.abs(x), SMALLEST_NORMAL[e.bits]), x, found)  # also the sign of 0


def _log1p_of_part(e: Emit, x: Value) -> Value:
    """log(1 + x) for x from 0 to 1."""
    above = e.compare(">", x, math.sqrt(2.0) - 1.0)  # 1 + x = 2 (1 + (x - 1) / 2)
    f = e.where(above, e.fma(x, 0.5, -0.5), x)
    return _log_of_parts(e, f, e.where(above, 1.0, 0.0))


def softplus(e: Emit, x: Value) -> Value:
    small = _log1p_of_part(e, _exp_of_at_most(e, e.neg(e.abs(x))))
    return e.add(e.where(e.compare(">", x, 0.0), x, 0.0), small)


def logaddexp(e: Emit, x: Value, y: Value) -> Value:
    # equal infinities have no difference
    apart = e.where(e.compare("==", x, y), 0.0, e.neg(e.abs(e.sub(x, y))))
    return e.add(e.where(e.compare(">", x, y), x, y), _log1p_of_part(e, _exp_of_at_most(e, apart)))


def relu(e: Emit, x: Value) -> Value:
    return e.where(e.compare("<=", x, 0.0), 0.0, x)


def step(e: Emit, x: Value) -> Value:
    return e.where(e.compare(">", x, 0.0), 1.0, e.where(e.compare("!=", x, x), x, 0.0))


def sign(e: Emit, x: Value) -> Value:
    return e.where(e.compare("<", x, 0.0), -1.0, step(e, x))


def mod(e: Emit, x: Value, y: Value) -> Value:
    rest = e.builder.frem(x, y)
    other = e.builder.xor(e.compare("<", rest, 0.0), e.compare("<", y, 0.0))
    found = e.where(other, e.add(rest, y), rest)
    return e.where(e.compare("==", rest, 0.0), e.call("copysign", e.number_of(0.0), y), found)


def whole_power(e: Emit, x: Value, p: int) -> Value:
    """x**p by multiplication, for a p that is known."""
    if p < 0:
        return e.div(1.0, whole_power(e, x, -p))
    if p == 0:
        return e.number_of(1.0)
    half = whole_power(e, x, p // 2) if p > 1 else None
    if half is None:
        return x
    square = e.mul(half, half)
    return e.mul(square, x) if p % 2 else square
