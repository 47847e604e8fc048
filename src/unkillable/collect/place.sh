# Where it is put.

in_ram() { # DIRECTORY: whether it is on a file system that is memory
	best='' kind=''
	while read -r _ point type _; do
		case $1/ in "${point%/}"/*)
			[ "${#point}" -lt "${#best}" ] || best=$point kind=$type
			;;
		esac
	done </proc/mounts
	case $kind in tmpfs | ramfs | rootfs) return 0 ;; esac
	return 1
}

choose_dir() { # sets $dir: what was asked for, where arm put us, or the first place in RAM
	[ -z "$dir" ] || return 0
	here=$0
	case $here in */*) here=${here%/*} ;; *) here=. ;; esac
	if [ -f "$here/before" ]; then
		dir=$here
		return 0
	fi
	for place in /run /dev/shm /tmp; do
		if [ -w "$place" ] && in_ram "$place"; then
			dir=$place/unkillable
			return 0
		fi
	done
	die 'no directory in RAM among /run, /dev/shm and /tmp: mount a tmpfs and name it with --dir'
}

make_dir() { # $dir, which must be ours alone: root runs programs from it
	run mkdir -p "$dir" || die "$dir: cannot be made: name another with --dir"
	# shellcheck disable=SC2046  # words are what is wanted
	set -- $(run ls -ldn "$dir/.") # POSIX has no other way to ask for an owner
	case $1:$3 in
	drwx------*:"$(run id -u)") ;;
	*) die "$dir: must belong to you and be closed to others (chmod 700): name another with --dir" ;;
	esac
}
