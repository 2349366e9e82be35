// Percent-encoding of URL components (RFC 3986) and of forms, where a space is '+'.
#ifndef RL_WIRE_PERCENT_H
#define RL_WIRE_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

// Everything but letters, digits and "-._~" becomes %XX. The bytes written to `out`, at most 3 * n.
size_t rl_percent_encode(char *out, const char *in, size_t n, bool form);
// The bytes written to `out`, at most n (`out` may be `in`). RL_INVALID: a '%' without two digits,
// at `*bad`.
ptrdiff_t rl_percent_decode(char *out, const char *in, size_t n, bool form, size_t *bad);

#endif
