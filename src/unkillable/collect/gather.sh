# What is collected.

step() { # PHASE ITEM: whether it is to be done; a worker that takes over begins after the step $resume
	if [ -n "$resume" ]; then
		[ "$resume" != "$1 $2" ] || resume=''
		return 1
	fi
	at "$1 $2 $used"
}

at() { # WHERE: written over what was there, for a new page of memory would call the OOM killer and end what is to be seen
	{ printf '%-60s\n' "$1" 1<>"$work/at"; } 2>/dev/null || :
}

system() {
	if step system marker; then put unkillable-collect/VERSION "$VERSION$nl"; fi
	for name in $SYSTEM; do
		step system "$name" || continue
		slurp "$root/proc/$name" 2>/dev/null
		put "proc/$name" "$text"
	done
	for name in $SYSFS; do
		step sysfs "$name" || continue
		slurp "$root/sys/$name" 2>/dev/null
		put "sys/$name" "$text"
	done
}

task() { # DIRECTORY below /proc, FILES: of the task whose stat is in $text
	at=$1
	put "${under}proc/$at/stat" "$text"
	for name in $2; do
		slurp "$root/proc/$at/$name" 2>/dev/null
		[ "$name $text" = 'wchan 0' ] || put "${under}proc/$at/$name" "$text"
	done
}

state() { # of the stat in $text: its letter in $letter, the parent's pid in $parent.  The name before them may hold anything
	letter=${text##*') '}
	parent=${letter#* }
	parent=${parent%%' '*}
	letter=${letter%%' '*}
}

more() { # of a task below /proc, by the stat in $text: what else is read of it, in $files.  In a freeze each file takes long
	files='status wchan stack'
	case $letter$parent in
	[DR]*) files="$files syscall" ;;
	[SI]2) files='' ;; # a kernel thread without work
	esac
	case $1 in */*) ;; *) [ "$parent" = 2 ] || files="$files oom_score_adj oom_score" ;; esac
}

process() { # PID, whether only those in D or R are wanted: its tasks; $seen remembers those that were
	for place in "$root/proc/$1/task"/*; do
		at_task=$1/task/${place##*/}
		case ${place##*/} in "$1" | '*') at_task=$1 ;; esac
		case " $seen" in *" $at_task "*) continue ;; esac
		slurp "$root/proc/$at_task/stat" 2>/dev/null
		[ -n "$text" ] || continue
		state
		case $2$letter in
		yes[DR]) seen="$seen$at_task " ;;
		yes*) continue ;;
		esac
		more "$at_task"
		task "$at_task" "$files"
	done
}

list() { # sets $pids.  One that did not answer is among them, else the worker that takes over would not find where to go on
	pids=''
	for place in "$root"/proc/[0-9]*; do pids="$pids ${place##*/}"; done
	case $resume in
	tasks-* | cmdline*) case "$pids " in *" ${resume##* } "*) ;; *) pids=" ${resume##* }$pids" ;; esac ;;
	esac
}

tasks() { # WHETHER only those that sleep uninterruptibly, and those that run and so may be looking for memory
	for pid in $pids; do
		step "tasks-$1" "$pid" || continue
		process "$pid" "$1"
	done
}

seconds() { # since boot, in $seconds
	slurp "$root/proc/uptime" 2>/dev/null
	seconds=${text%%.*}
	case $seconds in '' | *[!0-9]*) seconds=0 ;; esac
}

again() { # a second look at the same, $apart seconds after the first: who is still in the same place does not just pass
	case $resume in again*) resume='' apart=0 ;; esac # what did not answer then would not now
	twice=$seen
	[ -z "$taken_over" ] || twice=$pids
	if [ "$apart" = 0 ] || [ -z "$twice" ]; then return 0; fi
	if step again memory; then
		seconds
		left=$((begun + apart + 1 - seconds)) # both are rounded down
		while [ "$left" -gt 0 ]; do
			pause 1
			left=$((left - 1))
		done
		for name in uptime meminfo vmstat zoneinfo pressure/memory pressure/io pressure/cpu; do
			slurp "$root/proc/$name" 2>/dev/null
			put "again/proc/$name" "$text"
		done
	fi
	under=again/
	for place in $twice; do
		step again "$place" || continue
		slurp "$root/proc/$place/stat" 2>/dev/null
		[ -n "$text" ] || continue
		state
		case $letter in [DR]) more "$place" ;; *) continue ;; esac
		task "$place" "$files"
	done
	under=''
}

# shellcheck disable=SC2086  # $tool is a command with its arguments, or nothing
run() { $tool "$@" 2>/dev/null 3>&-; }

mask() { # [FILE]...: *** for VALUE in NAME=VALUE where NAME sounds like a secret, and for the user and password of an address
	run sed -e "s/\\([A-Za-z0-9_.-]*\\($SECRET\\)[A-Za-z0-9_.-]*=\\)[^ ,$TAB]*/\\1***/g" -e 's,://[^/@ ]*@,://***@,g' "$@"
}

sysctls() { # proc/sys/... each: the kernel gives a number byte by byte only to who asks for all at once, hence grep
	# shellcheck disable=SC2046
	table=$(run grep -s '' $(for name in $SYSCTLS; do printf '%s ' "$root/proc/sys/$name"; done) /dev/null)
	while [ -n "$table" ]; do
		line=${table%%"$nl"*}
		case $table in *"$nl"*) table=${table#*"$nl"} ;; *) table='' ;; esac
		name=${line%%:*}
		put "${name#"$root"/}" "${line#*:}$nl"
	done
}

with_tools() { # what needs another program
	if step tools sysctls; then sysctls; fi
	if step tools machine; then put_lines unkillable-collect/machine "$(run uname -m)"; fi
	if step tools mounts; then put_lines proc/mounts "$(mask "$root/proc/mounts")"; fi
	if step tools cmdline; then put_lines proc/cmdline "$(mask "$root/proc/cmdline")"; fi
	if step tools dmesg; then put_lines dmesg "$(log | run tail -c $((limit / 2)) | mask)"; fi
	# Only values that are words of the configuration's own or numbers: strings may be anything.
	if step tools config; then
		put_lines proc/config "$(run zcat "$root/proc/config.gz" | run grep -E '^CONFIG_[A-Za-z0-9_]+=([ym]|-?[0-9]+|0x[0-9a-fA-F]+)$|^# CONFIG_[A-Za-z0-9_]+ is not set$' | run sed "/$SECRET.*=[^ym]/d")"
	fi
	[ "$arguments" = yes ] || return 0
	for pid in $pids; do # takes the process's mmap_lock, which may be what everybody waits for
		step cmdline "$pid" || continue
		put "proc/$pid/cmdline" "$(run tr '\000' ' ' <"$root/proc/$pid/cmdline" 2>/dev/null | mask)"
	done
}

log() {
	if [ -z "$root" ]; then run dmesg; else run cat "$root/dmesg"; fi
}

rehearse() { # all that needs no other program, of this process, for nothing: memory that it takes now it need not ask for later
	list
	system
	process $$ no
	process $$ yes
	used=0 left_out=0 seen=''
	at ''
} 3>/dev/null

dumps() { # of the kernel's, asked for by --sysrq
	while [ -n "$keys" ]; do
		behind=${keys#?}
		{ printf '%s' "${keys%"$behind"}" >"$root/proc/sysrq-trigger"; } 2>/dev/null || say 'sysrq: not permitted'
		keys=$behind
	done
}

worker() {
	trap - USR1
	if [ "$wait" = yes ]; then
		rehearse
		say 'ready; a line on standard input begins'
		read -r _ <&4 || :
		[ ! -p "$work/begin" ] || : >"$work/begin"
	fi
	dumps
	taken_over=$resume
	list
	system
	seconds
	begun=$seconds
	tasks yes
	again
	tasks no
	with_tools
	limit=$((limit + NOTES))
	[ "$left_out" = 0 ] || notes="${notes}members left out, more than --max-kib: $left_out$nl"
	if step end notes; then put unkillable-collect/notes "$notes"; fi
	step end all
	exit 0
}

watch() { # PID of a worker: kills it once it has been at the same step for too long, and tells when even that is in vain
	sleeper='' was=''
	if [ -p "$work/begin" ]; then
		pause 1 # as in rehearse
		read -r was <"$work/at" || :
		read -r _ <"$work/begin"
	fi
	trap '[ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null; exit 0' TERM
	was='' rounds=0
	while :; do
		pause "$patience"
		is=''
		{ read -r is <"$work/at"; } 2>/dev/null || :
		if [ -z "$is" ] || [ "$is" != "$was" ]; then
			was=$is rounds=0
			continue
		fi
		rounds=$((rounds + 1))
		case $is in tools* | cmdline* | 'again memory'*) [ "$rounds" -lt 6 ] || break ;; *) break ;; esac # programs start slowly
	done
	kill -9 "$1" 2>/dev/null
	pause 1
	kill -USR1 $$
}

pause() { # SECONDS, if it can be without starting a program: nobody ever writes to that pipe
	if [ "$timed" = yes ]; then
		# shellcheck disable=SC3045  # find_timer has asked
		read -r -t "$1" _ <>"$work/never" || :
		return 0
	fi
	# shellcheck disable=SC2086  # as in run, but a child of its own that can be killed
	$tool sleep "$1" >/dev/null 2>&1 3>&- &
	sleeper=$!
	wait "$sleeper"
}

find_timer() { # sets $timed: whether the shell itself can wait for a while
	timed=no
	# shellcheck disable=SC3045  # not of POSIX; busybox, toybox, mksh and bash have it
	(read -r -t 1 _) </dev/null >/dev/null 2>&1
	[ $? != 1 ] || ! run mkfifo "$work/never" || timed=yes
}
