"""The lab: a kernel, a root image and a workload become a virtual machine, its observation and a typed outcome."""
