# Arm and disarm.

setting() { # SYSCTL VALUE WHY
	file=$root/proc/sys/$1
	if [ ! -e "$file" ]; then
		echo "$1: this kernel has none. $3"
		return 0
	fi
	old=$(cat "$file")
	if [ "$old" = "$2" ]; then
		echo "$1 = $2 already. $3"
	elif [ "$dry" = yes ]; then
		echo "$1: would become $2 (is $old). $3"
	elif { printf '%s\n' "$2" >"$file"; } 2>/dev/null; then
		grep -q "^$1 " "$dir/before" || printf '%s\n' "$1 $old" >>"$dir/before"
		echo "$1 = $2 (was $old). $3"
	else
		echo "$1: stays $old, may not be changed: run as root. $3"
	fi
}

into_ram() { # this script, and busybox with the libraries that it maps
	cp "$0" "$dir/collect.sh" 2>/dev/null || [ -s "$dir/collect.sh" ] || die "$0 cannot be copied to $dir: is it a file, and is there room?"
	box=$(command -v busybox) || {
		echo "busybox: there is none. $dir/collect.sh will start sed, grep and dmesg from the root file system, which may hang."
		echo "To collect: sh $dir/collect.sh now"
		return 0
	}
	# What it maps is what it needs: no list of libraries has to be known.
	"$box" cat /proc/self/maps | while read -r _ _ _ _ _ file; do
		case $file in /*) [ -e "$dir/${file##*/}" ] || cp "$file" "$dir/" ;; esac
	done
	cp "$box" "$dir/busybox" 2>/dev/null || [ -x "$dir/busybox" ] || die "$dir: cannot be written"
	find_tool
	# shellcheck disable=SC2086  # a command with its arguments
	outside=$($tool cat /proc/self/maps | while read -r _ _ _ _ _ file; do
		case $file in "$dir"/*) ;; /*) printf '%s ' "$file" ;; esac
	done)
	[ -z "$outside" ] || echo "busybox still maps from elsewhere: $outside(a static busybox would not)"
	echo "$dir: this script and busybox, in RAM. The root file system may not answer during a hang."
	echo "To collect: $tool sh $dir/collect.sh now"
}

arm() {
	choose_dir
	if [ "$dry" = no ]; then
		make_dir
		: >>"$dir/before"
		into_ram
	else
		echo "$dir: would get this script and busybox. The root file system may not answer during a hang."
	fi
	setting kernel/sysrq 1 'BREAK and a letter on a serial console print dumps, also when no program runs any more (and reboot: b).'
	setting kernel/hung_task_timeout_secs "$hang_after" 'khungtaskd reports tasks that sleep uninterruptibly for so long. CONFIG_DETECT_HUNG_TASK.'
	setting kernel/hung_task_warnings -1 'It does not stop after ten reports.'
	if [ "$panic_oom" = yes ]; then
		setting vm/panic_on_oom 1 'No memory: panic instead of killing. The log goes to pstore, and there is no hang.'
	else
		echo 'vm/panic_on_oom is left alone. 1 (--panic-on-oom) panics instead of killing: the box reboots with a log rather than hang. A hang in which the OOM killer is never called is not prevented.'
	fi
	if [ "$panic_hang" = yes ]; then
		setting kernel/hung_task_panic 1 'The first hung task panics: a log in pstore instead of a box that hangs until somebody comes.'
	else
		echo 'kernel/hung_task_panic is left alone. 1 (--panic-on-hang) panics on the first hung task.'
	fi
	if [ -n "$reboot_after" ]; then
		setting kernel/panic "$reboot_after" 'Seconds from a panic to the reboot; 0 waits for ever.'
	else
		echo 'kernel/panic is left alone. It is the seconds from a panic to the reboot (--reboot-after); 0 waits for ever.'
	fi
	hint "$root/sys/module/ramoops/parameters/mem_size" ramoops 'keeps the log in RAM over a reboot: ramoops.mem_address=... ramoops.mem_size=... ramoops.console_size=... on the kernel command line, or a device-tree node; the text is then in /sys/fs/pstore.'
	hint "$root/sys/module/netconsole" netconsole 'sends each line of the log as a datagram: netconsole=@/eth0,6666@192.0.2.1/ with the address of a machine that listens.'
	hint "$root/sys/fs/pstore" pstore 'is where a log that survived is read: CONFIG_PSTORE, and mount -t pstore pstore /sys/fs/pstore. Copy the files away after each boot.'
	hint "$root/proc/pressure" pressure 'says how much time is lost to the lack of memory: CONFIG_PSI=y, psi=1 on the kernel command line.'
}

hint() { # PATH NAME WHY
	if [ -e "$1" ]; then echo "$2: is there."; else echo "$2: is not there. It $3"; fi
}

disarm() {
	choose_dir
	[ -f "$dir/before" ] || die "$dir: nothing is armed there"
	make_dir
	while read -r name value; do
		if printf '%s\n' "$value" >"$root/proc/sys/$name"; then echo "$name = $value"; fi
	done <"$dir/before"
	rm -rf "$dir"
}
