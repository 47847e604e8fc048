/*
 * The lines to the host.
 *
 * No lock of ours: the tty layer holds its own (atomic_write_lock) for the whole of a write(2), so that lines of different
 * threads do not mix, and nobody holds it while he formats, samples or sleeps for memory.
 */
#include "watcher.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

static int port = -1;

int port_fd(void)
{
	return port;
}

/*
 * The first line is padded to LINE bytes: the tty layer allocates its buffer (1 or 2 KiB, as long as the longest write so
 * far) at the first write that needs it, and that must not be during a shortage, with the lock held.
 */
static void hello(void)
{
	char text[LINE];
	struct utsname name;
	int64_t now = now_ns();
	int length;

	uname(&name);
	memset(text, ' ', sizeof(text));
	length = snprintf(text, sizeof(text) / 2, "{\"t\":" SECONDS ",\"ev\":\"hello\",\"v\":1,\"release\":\"%s\",\"page\":%ld}",
			  SECONDS_OF(now), name.release, sysconf(_SC_PAGESIZE));
	text[length] = ' ';
	text[sizeof(text) - 1] = '\n';
	write(port, text, sizeof(text));
}

int port_open(const char *device)
{
	struct termios mode;

	port = open(device, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (port < 0)
		return -1;
	if (tcgetattr(port, &mode) == 0) {
		/* Raw: no echo of commands, no \r, no ^C; CLOCAL: no waiting for a carrier. */
		mode.c_iflag = 0;
		mode.c_oflag = 0;
		mode.c_lflag = 0;
		mode.c_cflag = CS8 | CREAD | CLOCAL;
		mode.c_cc[VMIN] = 1;
		mode.c_cc[VTIME] = 0;
		cfsetispeed(&mode, B115200);
		cfsetospeed(&mode, B115200);
		tcsetattr(port, TCSANOW, &mode);
	}
	hello();
	return 0;
}

static void say_list(int64_t t_ns, const char *format, va_list list)
{
	char text[LINE];
	int start = snprintf(text, sizeof(text), "{\"t\":" SECONDS ",", SECONDS_OF(t_ns));
	int room = (int)sizeof(text) - start - 2;
	int length = vsnprintf(text + start, (size_t)room, format, list);

	if (length < 0 || length >= room) /* cut, it would be no JSON: callers bound what they quote */
		return;
	length += start;
	text[length++] = '}';
	text[length++] = '\n';
	write(port, text, (size_t)length);
}

void say_at(int64_t t_ns, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_list(t_ns, format, list);
	va_end(list);
}

void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_list(now_ns(), format, list);
	va_end(list);
}

void say_fail(bool fatal, const char *what, int error)
{
	char quoted[512];

	quote(quoted, sizeof(quoted), what, strlen(what));
	say("\"ev\":\"fail\",\"what\":\"%s\",\"why\":\"%s\"%s", quoted, error ? strerror(error) : "malformed",
	    fatal ? ",\"fatal\":true" : "");
}
