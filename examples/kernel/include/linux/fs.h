struct address_space_operations {
	int (*read_folio)(struct file *file, struct folio *folio);
};

struct file_operations {
	int (*open)(struct inode *inode, struct file *file);
};
