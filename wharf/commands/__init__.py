"""One module for each group of commands. Heavy imports stay inside functions, so that ``--help`` is quick."""
