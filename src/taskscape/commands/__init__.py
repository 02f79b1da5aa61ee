"""The commands, one per file: ``main(arguments)`` parses, calls and prints. Heavy imports wait inside functions."""
