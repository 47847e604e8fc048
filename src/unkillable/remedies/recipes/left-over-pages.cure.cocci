@@
identifier f =~ "^squashfs_readpage_block$";
@@
 f(...) {
 <...
*squashfs_grab_new_page(...)
 ...>
 }
