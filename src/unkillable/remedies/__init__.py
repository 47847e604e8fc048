"""What is done about the hang: patches for exactly one kernel tree, made by semantic patches; and what helps without a patch."""
