# A tar archive by means of the shell.

zeros() { # COUNT: so many NUL bytes as escapes for printf's format, in $zeros
	zeros='' bit='\000' count=$1
	while [ "$count" -gt 0 ]; do
		[ $((count & 1)) = 0 ] || zeros=$zeros$bit
		bit=$bit$bit count=$((count >> 1))
	done
}

put() { # NAME TEXT: a member, to file descriptor 3
	size=${#2}
	[ "$size" -gt 0 ] || return 0
	if [ $((used + size + 2560)) -gt "$limit" ]; then
		left_out=$((left_out + 1))
		return 0
	fi
	# The checksum is the sum of the header's bytes, its own eight taken for blanks: 3037 for what is always the same, the
	# zeros of the size included.
	sum=3037 rest=$1
	while [ -n "$rest" ]; do
		behind=${rest#?}
		before=${ASCII%%"${rest%"$behind"}"*}
		sum=$((sum + 32 + ${#before})) rest=$behind
	done
	digits=$size
	while [ "$digits" -gt 0 ]; do
		sum=$((sum + (digits & 7))) digits=$((digits >> 3))
	done
	zeros $((100 - ${#1}))
	after_name=$zeros
	zeros $(((512 - size % 512) % 512))
	# shellcheck disable=SC2059  # the NUL bytes have to be in the format
	printf "%s$after_name%s\\000%s\\000%s\\000%011o\\000%s\\000%06o\\000 0$ZEROS100%s\\000%s$ZEROS247%s$zeros" \
		"$1" 0000644 0000000 0000000 "$size" 00000000000 "$sum" ustar 00 "$2" >&3 || exit 1
	used=$((used + 512 + (size + 511) / 512 * 512))
}

put_lines() { # NAME TEXT, which lost its last line end to $(...)
	[ -z "$2" ] || put "$1" "$2$nl"
}

slurp() { # FILE: its content in $text, read by the shell itself; nothing where it cannot be read
	text=''
	{
		while IFS= read -r line; do text=$text$line$nl; done
		text=$text$line
	} 2>/dev/null <"$1" || :
}
