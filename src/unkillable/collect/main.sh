# Arguments.

verb=${1:-help}
[ $# = 0 ] || shift
dir='' root='' output='' max_kib='' keys='' arguments=no patience=5 apart=10 wait=no tool=''
dry=no hang_after=30 panic_oom=no panic_hang=no reboot_after=''
while [ $# -gt 0 ]; do
	case $verb:$1 in
	arm:--dry-run) dry=yes ;;
	arm:--panic-on-oom) panic_oom=yes ;;
	arm:--panic-on-hang) panic_hang=yes ;;
	now:--cmdline) arguments=yes ;;
	now:--wait) wait=yes ;;
	*:--dir | *:--root | arm:--hang-after | arm:--reboot-after | now:-o | now:--output | now:--max-kib | now:--sysrq | now:--patience | now:--again)
		[ -n "${2:-}" ] || die "$1 needs a value; see: collect.sh help"
		case $1 in
		--dir) dir=$2 ;;
		--root) root=${2%/} ;;
		-o | --output) output=$2 ;;
		--sysrq)
			case $2 in *[!dlmtw]*) die "--sysrq $2: only the dumps d, l, m, t and w" ;; esac
			keys=$2
			;;
		*)
			is_number "$2" || die "$1 $2: not a number of up to six digits"
			case $1 in
			--hang-after) hang_after=$2 ;;
			--reboot-after) reboot_after=$2 ;;
			--max-kib) max_kib=$2 ;;
			--patience) patience=$2 ;;
			--again) apart=$2 ;;
			esac
			;;
		esac
		shift
		;;
	*) die "$1: no such option of $verb; see: collect.sh help" ;;
	esac
	shift
done
case $verb in
arm) arm ;;
now) now ;;
disarm) disarm ;;
help | -h | --help) usage ;;
*) die "$verb: no such command; see: collect.sh help" ;;
esac
