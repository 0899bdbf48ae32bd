"""What a class split and a pseudo annotation are: small, typed, no I/O."""
