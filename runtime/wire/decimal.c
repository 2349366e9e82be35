// Decimal to double by one or two 64-bit products with a power of ten (the way of Eisel and
// Lemire), double to the shortest decimal by three (Giulietti's Schubfach).
#include "runtime/wire/decimal.h"

#include "runtime/base/check.h"
#include "runtime/wire/pow5.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

static double of_bits(uint64_t bits) {
  double d;
  memcpy(&d, &bits, sizeof d);
  return d;
}

static uint64_t bits_of(double d) {
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  return bits;
}

static int floor_shift(int x, int bits) {
  return x >= 0 ? x >> bits : -((-x + (1 << bits) - 1) >> bits);
}

// floor(log2(10^e)), for every exponent a double can have.
static int log2_pow10(int e) { return floor_shift(e * 1741647, 19); }

static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// The table's power is rounded down: the true product lies in [product, product + mantissa). Where
// that range could round two ways, the answer is no.
static bool by_product(uint64_t mantissa, int exponent, double *out) {
  if (exponent < RL_POW5_MIN || exponent > RL_POW5_MAX) return false;
  const uint64_t *power = rl_pow5[exponent - RL_POW5_MIN];
  int zeros = __builtin_clzll(mantissa);
  mantissa <<= zeros;
  u128 product = (u128)mantissa * power[0];
  uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
  if ((high & 0x1ff) == 0x1ff && low + mantissa < low) {
    u128 rest = (u128)mantissa * power[1];
    uint64_t merged = low + (uint64_t)(rest >> 64);
    if (merged < low) high++;
    low = merged;
    if ((high & 0x1ff) == 0x1ff && low == UINT64_MAX && (uint64_t)rest + mantissa < mantissa)
      return false;
  }
  int top = (int)(high >> 63);
  uint64_t digits = high >> (top + 9);  // 54 bits: one more than a double holds
  int64_t biased = log2_pow10(exponent) + 63 + 1023 + top - zeros;
  if (low == 0 && (high & 0x1ff) == 0 && (digits & 3) == 1) return false;  // perhaps half way
  digits = (digits + (digits & 1)) >> 1;
  if (digits >> 53) {
    digits >>= 1;
    biased++;
  }
  if (biased < 1 || biased > 2046) return false;  // subnormal, or out of range
  *out = of_bits((uint64_t)biased << 52 | (digits & ((UINT64_C(1) << 52) - 1)));
  return true;
}

bool rl_decimal_quick(uint64_t mantissa, int exponent, double *out) {
  if (RL_LIKELY(mantissa <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22)) {
    double d = (double)mantissa;
    *out = exponent < 0 ? d / exact_powers[-exponent] : d * exact_powers[exponent];
    return true;
  }
  if (mantissa == 0) {
    *out = 0;
    return true;
  }
  return by_product(mantissa, exponent, out);
}

// A number longer than any that matters: what lies behind its first digits only breaks ties, so one
// digit stands for the rest.
enum { SLOW_DIGITS = 800, SLOW_ROOM = SLOW_DIGITS + 64 };

double rl_decimal_slow(const char *text, size_t length) {
  char room[SLOW_ROOM];
  const char *point = nl_langinfo(RADIXCHAR);
  size_t at = 0, digits = 0;
  int64_t shift = 0;
  bool sticky = false, seen_point = false;
  const char *p = text, *end = text + length;
  if (p < end && *p == '-') room[at++] = *p++;
  for (; p < end && *p != 'e' && *p != 'E'; p++) {
    if (*p == '.') {
      seen_point = true;
      continue;
    }
    if (seen_point) shift--;
    if (digits == 0 && *p == '0') continue;
    if (digits < SLOW_DIGITS) {
      room[at++] = *p;
      digits++;
    } else {
      sticky |= *p != '0';
      shift++;
    }
  }
  if (digits == 0) room[at++] = '0';
  if (sticky) {
    room[at++] = *point;
    room[at++] = '1';
  }
  int64_t exponent = 0;
  bool negative = false;
  if (p < end) {
    p++;
    negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    for (; p < end; p++) {
      if (exponent < 1000000000) exponent = exponent * 10 + (*p - '0');
    }
  }
  exponent = (negative ? -exponent : exponent) + shift;
  if (exponent > 100000) exponent = 100000;
  if (exponent < -100000) exponent = -100000;
  snprintf(room + at, sizeof room - at, "e%d", (int)exponent);
  return strtod(room, NULL);
}

// floor(c * power / 2^127...), with a last bit that is set if anything was cut off.
static uint64_t round_to_odd(uint64_t high, uint64_t low, uint64_t c) {
  u128 upper = (u128)high * c + (uint64_t)(((u128)low * c) >> 64);
  return (uint64_t)(upper >> 64) | ((uint64_t)upper > 1);
}

static uint64_t without_zeros(uint64_t digits, int *exponent) {
  while (digits % 10 == 0) {
    digits /= 10;
    ++*exponent;
  }
  return digits;
}

// All decimals between the value's two neighbours' midpoints read back as the value. With 10^k just
// below the width of that gap there is at least one multiple of 10^k in it and at most one of
// 10^(k+1): that one if it exists, else the nearest of the others. Everything is in quarters of
// 10^k.
uint64_t rl_decimal_shortest(double value, int *exponent) {
  uint64_t bits = bits_of(value), fraction = bits & ((UINT64_C(1) << 52) - 1);
  int raw = (int)(bits >> 52 & 0x7ff);
  uint64_t c = raw ? fraction | UINT64_C(1) << 52 : fraction;
  int q = (raw ? raw : 1) - 1075;
  if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0) {
    *exponent = 0;
    return without_zeros(c >> -q, exponent);
  }
  bool uneven = fraction == 0 && raw > 1;  // the neighbour below is nearer
  int k = floor_shift(q * 1262611 - (uneven ? 524031 : 0), 22);
  int shift = q + log2_pow10(-k) + 1;
  const uint64_t *power = rl_pow5[-k - RL_POW5_MIN];
  uint64_t high = power[0], low = power[1] + (-k < 0 || -k > 55);
  uint64_t open = c & 1;  // an odd value does not own the midpoints
  uint64_t lower = round_to_odd(high, low, (4 * c - 2 + uneven) << shift) + open;
  uint64_t middle = round_to_odd(high, low, (4 * c) << shift);
  uint64_t upper = round_to_odd(high, low, (4 * c + 2) << shift) - open;
  uint64_t s = middle / 4;
  if (s >= 10) {
    uint64_t tens = s / 10;
    bool under = lower <= 40 * tens, over = 40 * tens + 40 <= upper;
    if (under != over) {
      *exponent = k + 1;
      return without_zeros(tens + over, exponent);
    }
  }
  bool under = lower <= 4 * s, over = 4 * s + 4 <= upper;
  uint64_t half = 4 * s + 2;
  bool up = under != over ? over : middle > half || (middle == half && (s & 1));
  *exponent = k;
  return without_zeros(s + up, exponent);
}

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

// Writes backwards from `end`; where it begins.
static char *write_back(char *end, uint64_t value) {
  while (value >= 100) {
    end -= 2;
    memcpy(end, pairs + value % 100 * 2, 2);
    value /= 100;
  }
  if (value >= 10) {
    end -= 2;
    memcpy(end, pairs + value * 2, 2);
  } else {
    *--end = (char)('0' + value);
  }
  return end;
}

size_t rl_decimal_write_integer(char *out, int64_t value) {
  char room[24], *end = room + sizeof room;
  uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  char *begin = write_back(end, magnitude);
  if (value < 0) *--begin = '-';
  memcpy(out, begin, (size_t)(end - begin));
  return (size_t)(end - begin);
}

static char *put(char *out, const char *bytes, size_t n) {
  memcpy(out, bytes, n);
  return out + n;
}

static char *put_zeros(char *out, int n) {
  memset(out, '0', (size_t)n);
  return out + n;
}

static char *put_exponent(char *out, const char *digits, int n, int exponent) {
  *out++ = digits[0];
  if (n > 1) {
    *out++ = '.';
    out = put(out, digits + 1, (size_t)n - 1);
  }
  *out++ = 'e';
  return out + rl_decimal_write_integer(out, exponent);
}

size_t rl_decimal_write(char *out, double value) {
  char *at = out;
  if (bits_of(value) >> 63) {
    *at++ = '-';
    value = -value;
  }
  if (value == 0) return (size_t)(put(at, "0.0", 3) - out);
  int exponent;
  uint64_t shortest = rl_decimal_shortest(value, &exponent);
  char room[24], *end = room + sizeof room, *digits = write_back(end, shortest);
  int n = (int)(end - digits), point = n + exponent;  // digits before the point
  if (point < -4 || point > 17) return (size_t)(put_exponent(at, digits, n, point - 1) - out);
  if (point <= 0) {
    at = put(at, "0.", 2);
    at = put_zeros(at, -point);
    return (size_t)(put(at, digits, (size_t)n) - out);
  }
  if (exponent >= 0) {
    at = put(at, digits, (size_t)n);
    at = put_zeros(at, exponent);
    return (size_t)(put(at, ".0", 2) - out);
  }
  at = put(at, digits, (size_t)point);
  *at++ = '.';
  return (size_t)(put(at, digits + point, (size_t)(n - point)) - out);
}
