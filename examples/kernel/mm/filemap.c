int filemap_fault(struct vm_fault *vmf)
{
	const struct address_space_operations *aops = vmf->mapping->a_ops;
	unsigned int nofs = memalloc_nofs_save();
	int error = aops->read_folio(vmf->file, vmf->folio);

	memalloc_nofs_restore(nofs);
	return error;
}
