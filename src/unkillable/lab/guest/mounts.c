#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 30000, STEP_MS = 20 };

struct place {
	const char *type, *path;
};

static int newroot = -1;

/* The image, as a directory that stays reachable when another process makes it the root. */
int root_dir(void)
{
	return newroot;
}

int mounts_early(void)
{
	/* cgroup2 and tracefs are mounted by the directives that want them. */
	static const struct place places[] = { { "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" } };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		mkdir(places[i].path, 0755);
		/* EBUSY: the kernel did it (CONFIG_DEVTMPFS_MOUNT) or a test has prepared it. */
		if (mount(places[i].type, places[i].path, places[i].type, 0, NULL) != 0 && errno != EBUSY)
			return -1;
	}
	return 0;
}

/* The kernel logs every attempt to mount what is not there, so the device is opened until it can be. */
static int mount_waiting(const char *type, const char *device)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000 };
	int fd;

	for (int waited = 0; (fd = open(device, O_RDONLY | O_CLOEXEC)) < 0; waited += STEP_MS) {
		/* No device node yet, or a node without a disk behind it: the driver is still at it. */
		if ((errno != ENOENT && errno != ENXIO) || waited >= WAIT_MS)
			return -1;
		nanosleep(&step, NULL);
	}
	close(fd);
	return mount(device, NEWROOT, type, MS_RDONLY, NULL);
}

int mounts_root(const char *type, const char *device)
{
	static const struct place inside[] = { { "devtmpfs", NEWROOT "/dev" }, { "proc", NEWROOT "/proc" },
					       { "sysfs", NEWROOT "/sys" } };
	bool in_initramfs = strcmp(type, "tmpfs") == 0;

	mkdir(NEWROOT, 0755);
	/* A mount in either case, so that `init` can make it the root. */
	if (in_initramfs ? mount(NEWROOT, NEWROOT, NULL, MS_BIND, NULL) != 0 : mount_waiting(type, device) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++)
		mount(inside[i].type, inside[i].path, inside[i].type, 0, NULL); /* an image without the directory has its reasons */
	newroot = open(NEWROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return newroot < 0 ? -1 : 0;
}

/* For process 1: makes the image the root of everybody but the watcher, whose root stays the initramfs. */
int mounts_switch(char *init)
{
	char *argv[] = { init, NULL };

	if (chdir(NEWROOT) != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0)
		return -1;
	return execv(init, argv);
}
