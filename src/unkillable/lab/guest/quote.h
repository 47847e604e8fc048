#ifndef QUOTE_H
#define QUOTE_H

#include <stddef.h>

/* What may stand between the quotes of a JSON string; bytes beyond ASCII as their Latin-1 characters.  Cut to fit. */
const char *quote(char *out, size_t size, const char *text, size_t length);

#endif
