// What is allocated for a read: inside readahead it may fail, outside it may call the OOM killer.
@bio@
identifier f =~ "^squashfs_bio_read$";
@@
 f(...) {
 <...
-GFP_NOIO
+squashfs_read_gfp()
 ...>
 }

@actor@
identifier f =~ "^squashfs_page_actor_init_special$";
@@
 f(...) {
 <...
(
 kmalloc(...,
-	GFP_KERNEL
+	squashfs_read_gfp()
	)
|
-kmalloc_obj(*actor)
+kmalloc_obj(*actor, squashfs_read_gfp())
)
 ...>
 }

@readahead@
identifier f =~ "^(squashfs_readahead|squashfs_readpage_block)$";
@@
 f(...) {
 <...
 kmalloc_array(...,
-	GFP_KERNEL
+	squashfs_read_gfp()
	)
 ...>
 }

@indexes@
identifier blist;
@@
 __le32 *blist = kmalloc(PAGE_SIZE,
-	GFP_KERNEL
+	squashfs_read_gfp()
	);

@indexes_line@
identifier blist;
@@
 if (blist == NULL) {
-	ERROR("read_indexes: Failed to allocate block_list\n");
	return -ENOMEM;
 }

@actor_include depends on actor@
@@
 #include "page_actor.h"
+#include "squashfs.h"
