"""Reading a config as a command's options describe it."""
