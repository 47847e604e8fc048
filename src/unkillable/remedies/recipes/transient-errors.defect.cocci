@fill@
identifier entry;
expression got;
@@
 entry->length = squashfs_read_data(...);
 ...
 if (entry->length < 0)
*	entry->error = got;
 ... when != SQUASHFS_INVALID_BLK
 entry->pending = 0;
