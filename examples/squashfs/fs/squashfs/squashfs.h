/* SPDX-License-Identifier: GPL-2.0-or-later */
#define TRACE(s, args...)	pr_debug("SQUASHFS: "s, ## args)
#define ERROR(s, args...)	pr_err("SQUASHFS error: "s, ## args)
#define WARNING(s, args...)	pr_warn("SQUASHFS: "s, ## args)

/* cache.c */
extern struct squashfs_cache_entry *squashfs_cache_get(struct super_block *,
				struct squashfs_cache *, u64, int);
extern void squashfs_cache_put(struct squashfs_cache_entry *);
extern void *squashfs_read_table(struct super_block *, u64, int);
