@fill exists@
identifier entry;
expression got;
@@
 entry->length = squashfs_read_data(...);
 ... when any
 entry->error = got;
 ... when any
*entry->block = SQUASHFS_INVALID_BLK;
 ... when any
 entry->pending = 0;
