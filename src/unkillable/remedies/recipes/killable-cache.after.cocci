// A use of what was got, on a way on which nobody has looked whether it is an error.
@assigned exists@
identifier get =~ "^squashfs_(cache_get|get_fragment|get_datablock)$";
identifier entry, member;
@@
 entry = get(...);
 ... when != IS_ERR(entry)
     when != IS_ERR_OR_NULL(entry)
*entry->member

@declared exists@
identifier get =~ "^squashfs_(cache_get|get_fragment|get_datablock)$";
identifier entry, member;
type T;
@@
 T entry = get(...);
 ... when != IS_ERR(entry)
     when != IS_ERR_OR_NULL(entry)
     when != PTR_ERR_OR_ZERO(entry)
*entry->member
