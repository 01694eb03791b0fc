"""Where a mirror is published: a directory, a bucket behind a distribution, or a bucket as it is."""
