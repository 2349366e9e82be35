// Doubles from decimal digits and back: correctly rounded, shortest, the same in every locale.
#ifndef RL_WIRE_DECIMAL_H
#define RL_WIRE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RL_DECIMAL_MAX = 32 };  // bytes that rl_decimal_write writes at most

// The double nearest to `mantissa` * 10^`exponent`. False where the quick way cannot tell: then ask
// rl_decimal_slow.
bool rl_decimal_quick(uint64_t mantissa, int exponent, double *out);
// The double nearest to the JSON number at `text`, of any length; an infinity if it is out of
// range.
double rl_decimal_slow(const char *text, size_t length);

// The shortest decimal that reads back as `value` (finite, not negative, not zero): its digits, at
// most 17, and the power of ten they are to be multiplied with. No trailing zeros.
uint64_t rl_decimal_shortest(double value, int *exponent);

// Writes a finite double with a point or an exponent, so that it reads back as a float. The length.
size_t rl_decimal_write(char *out, double value);
// Writes an integer. The length.
size_t rl_decimal_write_integer(char *out, int64_t value);

#endif
