# The C modules: name, sources, and the packages each needs. One line a module, sorted by name.
