# Now.

clean_up() {
	trap '' INT TERM HUP
	[ -z "${child:-}" ] || kill -9 "$child" 2>/dev/null
	[ -z "${dog:-}" ] || kill "$dog" 2>/dev/null
	[ -z "$part" ] || run rm -f "$part"
	run rm -rf "$work"
}

find_tool() { # busybox in RAM, if arm put one there; not if somebody else did
	tool=''
	# shellcheck disable=SC3067  # not of POSIX, but known to busybox, dash and mksh
	if [ -L "$dir" ] || [ ! -O "$dir" ]; then return 0; fi
	[ ! -x "$dir/busybox" ] || tool=$dir/busybox
	for loader in "$dir"/ld-*; do
		[ -z "$tool" ] || [ ! -x "$loader" ] || tool="$loader --library-path $dir $tool"
	done
}

bound() { # sets $limit, bytes: the archive in RAM must not be what uses up the rest
	slurp "$root/proc/meminfo" 2>/dev/null
	rest=${text#*MemAvailable:}
	[ "$rest" != "$text" ] || rest=${text#*MemFree:}
	for free in ${rest%%kB*}; do :; done
	if [ -z "$max_kib" ]; then
		max_kib=8192
		if is_number "$free" && [ "$output" = '' ] && [ $((free / 4)) -lt 8192 ]; then max_kib=$((free / 4)); fi
		[ "$max_kib" -ge 512 ] || max_kib=512
	fi
	limit=$((max_kib * 1024 - NOTES))
}

room_on_disk() { # FILE given by the user: a disk that is full is not written to
	place=$1
	case $place in */*) place=${place%/*} ;; *) place=. ;; esac
	room=$(run df -kP "${place:-/}" | while read -r _ _ _ available _; do printf '%s' "$available "; done)
	room=${room% }
	room=${room##* }
	if is_number "$room" && [ "$room" -lt "$max_kib" ]; then
		clean_up
		die "$1: $room KiB are free there and up to $max_kib may be needed: name another file, - for a pipe, or --max-kib"
	fi
}

reached() { # sets $resume and $used to where the worker came
	at=''
	{ read -r at <"$work/at"; } 2>/dev/null || :
	used=${at##* } resume=${at% *}
}

cut_short() {
	name=$output
	[ "$name" != - ] || name='standard output'
	clean_up
	die "$name: cannot be written to its end: is there room?"
}

now() {
	{ printf '%s' -1000 >/proc/self/oom_score_adj; } 2>/dev/null ||
		say 'the OOM killer may choose this script: only root may forbid it'
	choose_dir
	find_tool
	bound
	make_dir
	work=$dir/now.$$ part='' used=0 left_out=0 resume='' notes='' stuck=0 gone=''
	run mkdir "$work" || die "$work: cannot be made"
	: >"$work/at"
	find_timer
	trap 'clean_up; exit 130' INT
	trap 'clean_up; exit 143' TERM HUP
	trap 'gone=yes' USR1
	zeros 100
	ZEROS100=$zeros
	zeros 247
	ZEROS247=$zeros
	if [ "$output" = - ]; then
		exec 3>&1
	else
		slurp "$root/proc/uptime" 2>/dev/null
		[ -z "$output" ] || room_on_disk "$output"
		output=${output:-$dir/bundle-${text%%.*}.tar}
		{ : >"$output"; } 2>/dev/null || { clean_up; die "$output: cannot be written"; }
		[ ! -f "$output" ] || part=$output
		exec 3>"$output"
	fi
	if [ "$wait" = yes ]; then
		# Worker and watch are started now and sleep: to start them takes memory, which others then lack.
		exec 4<&0 # what runs in the background has no standard input of its own
		run mkfifo "$work/begin" || say 'no mkfifo: until it begins it will start sleep every few seconds'
	fi
	while :; do
		gone='' seen='' under=''
		worker &
		child=$!
		watch "$child" 3>&- 4<&- &
		dog=$!
		wait=no keys=''
		wait "$child"
		status=$?
		kill "$dog" 2>/dev/null
		wait "$dog" 2>/dev/null
		[ ! -p "$work/begin" ] || run rm -f "$work/begin"
		[ "$status" != 0 ] || break
		if [ "$status" != 137 ] && [ -z "$gone" ]; then
			cut_short
		fi
		reached
		stuck=$((stuck + 1))
		notes="${notes}did not answer: $resume$nl"
		say "did not answer, left out: $resume"
		if [ -z "$resume" ] || [ "$stuck" -ge 8 ]; then
			say 'too many did not answer: the rest is left out'
			break
		fi
	done
	zeros 1024
	# shellcheck disable=SC2059
	printf "$zeros" >&3 || cut_short
	exec 3>&-
	# A busybox does not always say that it could not write.
	if [ -n "$part" ] && [ "$stuck" = 0 ]; then
		reached
		[ "$(run wc -c <"$part")" -eq $((used + 1024)) ] || cut_short
	fi
	part='' child='' dog=''
	clean_up
	[ "$output" = - ] || say "written: $output (unkillable diagnose $output)"
}
