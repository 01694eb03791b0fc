"""A private, static Python package index that holds exactly what lock files pin."""

__version__ = "0.1.0"
