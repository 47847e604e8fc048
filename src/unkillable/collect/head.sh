#!/bin/sh
# What a device must have before it hangs, and what it shows while it does.  Made by `unkillable collect`; GPL-2.0-or-later.
# For busybox ash, dash and what behaves like them; of other programs: cat cp dmesg grep id ls mkdir mkfifo rm sed sleep tail tr uname wc zcat.
#
# A box that hangs for want of memory cannot start programs from its root file system.  Hence everything that can be is read and
# written by the shell itself, the tar archive included, and what needs another program comes last: if it never ends, the
# archive is cut short but holds the rest.
set -u
LC_ALL=C # ${#text} must count bytes
PATH=$PATH:/sbin:/usr/sbin:/bin:/usr/bin
export LC_ALL PATH
umask 077
VERSION=1
nl='
'
NOTES=4096 # bytes kept free for what the archive says of itself
TAB='	'
# The bytes from 32 to 126, in order: a character's place is its number.
ASCII=' !"#$%&'\''()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghijklmnopqrstuvwxyz{|}~'
SYSTEM='meminfo vmstat zoneinfo pressure/memory pressure/io pressure/cpu version uptime loadavg buddyinfo swaps slabinfo'
SYSFS='kernel/mm/lru_gen/enabled kernel/mm/lru_gen/min_ttl_ms fs/cgroup/memory.pressure fs/cgroup/unified/memory.pressure'
SYSCTLS='vm/panic_on_oom vm/oom_kill_allocating_task vm/overcommit_memory vm/overcommit_ratio vm/swappiness vm/min_free_kbytes
vm/watermark_scale_factor vm/vfs_cache_pressure kernel/hung_task_timeout_secs kernel/hung_task_panic kernel/hung_task_warnings
kernel/sysrq kernel/panic kernel/panic_on_oops kernel/dmesg_restrict kernel/printk kernel/tainted'
# What the name of a secret has in it.
SECRET='[Pp][Aa][Ss][Ss]\|[Pp][Ww][Dd]\|[Pp][Ss][Kk]\|[Ss][Ee][Cc][Rr][Ee][Tt]\|[Tt][Oo][Kk][Ee][Nn]\|[Kk][Ee][Yy]\|[Cc][Rr][Ee][Dd]\|[Aa][Uu][Tt][Hh]'

usage() {
	cat <<'END'
collect.sh arm [OPTION]...     before a hang: sysrq, reports of hung tasks, this script and busybox in RAM
    --dry-run                  say what would be done
    --hang-after SECONDS       report tasks that sleep uninterruptibly for so long (30)
    --panic-on-oom             panic instead of killing: a dump in pstore instead of a hang
    --panic-on-hang            panic on the first hung task
    --reboot-after SECONDS     reboot so long after a panic
collect.sh now [OPTION]...     during a hang: one tar archive for `unkillable diagnose`
    -o, --output FILE          write there; - is standard output (a file in RAM)
    --max-kib N                at most so much (8192, or a quarter of the memory available)
    --sysrq KEYS               first let the kernel print these dumps: some of d l m t w
    --cmdline                  also the arguments of processes, which may hold secrets
    --patience SECONDS         give up a file that does not answer for so long (5)
    --again SECONDS            look again at who sleeps uninterruptibly or runs, so long after the first (10; 0: do not)
    --wait                     prepare, and begin with the next line of standard input
collect.sh disarm              take back what arm did
All: --dir DIR, a directory in RAM; --root DIR, take DIR/proc and DIR/sys for /proc and /sys.
END
}

say() { printf '%s\n' "collect.sh: $*" >&2; }
die() {
	say "$*"
	exit 2
}

is_number() { case $1 in '' | *[!0-9]* | ???????*) return 1 ;; esac; }
