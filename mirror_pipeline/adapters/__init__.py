"""Everything that touches the world: disk, network, other programs. They carry out, the domain decides."""
