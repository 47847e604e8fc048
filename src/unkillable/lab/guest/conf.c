#include "watcher.h"

/* Words are separated by blanks; one with blanks is in double quotes, \" and \\ inside. */
int split(char *line, char **words)
{
	char *in = line, *out = line;
	int count = 0;

	for (;;) {
		while (*in == ' ' || *in == '\t' || *in == '\r')
			in++;
		if (!*in)
			break;
		if (count == WORDS - 1)
			return -1;
		words[count++] = out;
		if (*in == '"') {
			for (in++; *in != '"'; *out++ = *in++) {
				if (*in == '\\')
					in++;
				if (!*in)
					return -1;
			}
			in++;
			if (*in && *in != ' ' && *in != '\t' && *in != '\r')
				return -1;
		} else {
			while (*in && *in != ' ' && *in != '\t' && *in != '\r')
				*out++ = *in++;
		}
		if (*in)
			in++; /* before the end of the word is written: it may be the same byte */
		*out++ = 0;
	}
	words[count] = NULL;
	return count;
}
