#include "quote.h"

#include <stdio.h>

const char *quote(char *out, size_t size, const char *text, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < length && n + 7 <= size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c >= ' ' && c < 127) {
			out[n++] = (char)c;
		} else {
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
		}
	}
	out[n] = 0;
	return out;
}
