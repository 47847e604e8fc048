# What is collected.

step() { # PHASE ITEM: whether it is to be done; a worker that takes over begins after the step $resume
	if [ -n "$resume" ]; then
		[ "$resume" != "$1 $2" ] || resume=''
		return 1
	fi
	{ printf '%s\n' "$1 $2 $used" >"$work/at"; } 2>/dev/null || :
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
	put "proc/$at/stat" "$text"
	for name in $2; do
		slurp "$root/proc/$at/$name" 2>/dev/null
		[ "$name $text" = 'wchan 0' ] || put "proc/$at/$name" "$text"
	done
}

state() { # of the stat in $text: its letter in $letter.  The name before it may hold anything
	letter=${text##*') '}
	letter=${letter%%' '*}
}

process() { # PID, whether those in D are wanted: its tasks that are, of which $seen remembers the first
	for place in "$root/proc/$1/task"/*; do
		tid=${place##*/}
		at_task=$1/task/$tid files='status wchan stack'
		if [ "$tid" = "$1" ] || [ "$tid" = '*' ]; then
			tid=$1 at_task=$1 files='status wchan stack oom_score oom_score_adj'
		fi
		case " $seen" in *" $tid "*) continue ;; esac
		slurp "$root/proc/$at_task/stat" 2>/dev/null
		[ -n "$text" ] || continue
		state
		case $2$letter in
		yesD) seen="$seen$tid " ;;
		yes*) continue ;;
		esac
		[ "$letter" != D ] || files="$files syscall"
		task "$at_task" "$files"
	done
}

tasks() { # those in D first: the room may not last
	for urgent in yes no; do
		for pid in $pids; do
			step "tasks-$urgent" "$pid" || continue
			process "$pid" "$urgent"
		done
	done
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

worker() {
	trap - USR1
	system
	tasks
	with_tools
	limit=$((limit + NOTES))
	[ "$left_out" = 0 ] || notes="${notes}members left out, more than --max-kib: $left_out$nl"
	if step end notes; then put unkillable-collect/notes "$notes"; fi
	step end all
	exit 0
}

watch() { # PID of a worker: kills it once it has been at the same step for too long, and tells when even that is in vain
	trap 'kill "$sleeper" 2>/dev/null; exit 0' TERM
	was='' rounds=0
	while :; do
		pause "$patience"
		is=''
		{ IFS= read -r is <"$work/at"; } 2>/dev/null || :
		if [ -z "$is" ] || [ "$is" != "$was" ]; then
			was=$is rounds=0
			continue
		fi
		rounds=$((rounds + 1))
		case $is in tools* | cmdline*) [ "$rounds" -lt 6 ] || break ;; *) break ;; esac # programs start slowly
	done
	kill -9 "$1" 2>/dev/null
	pause 1
	kill -USR1 $$
}

pause() {
	# shellcheck disable=SC2086  # as in run, but a child of its own that can be killed
	$tool sleep "$1" >/dev/null 2>&1 &
	sleeper=$!
	wait "$sleeper"
}
