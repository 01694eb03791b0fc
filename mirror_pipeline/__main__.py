"""``python -m mirror_pipeline``."""

from mirror_pipeline.cli import main

if __name__ == "__main__":
    main()
